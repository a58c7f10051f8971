"""Succession: how a station goes on under a newer order that comes by the link or by its order file. SPEC.md section 7.

What lives here: which order is accepted, and which alarm is raised. What must not: rules of orders (keys.amendment), the
sequence of orders that came by the link (gateway.core.order_intake).
"""

from __future__ import annotations

import time

from gateway.core.barrier import Barrier
from gateway.core.ground.listener import Listener
from gateway.ground.order_file import OrderFile
from gateway.ground.owners import recall
from gateway.ground.uplink import GroundUplink
from gateway.loop.barrier import refusing
from gateway.report.alarms import Alarms, Reason, kind_of
from gateway.report.log import say
from keys import amendment
from keys.errors import FolderError, KeysError, NumberTwice
from keys.folders.station import StationFolder
from keys.order import VerifiedOrder

LOOK_AGAIN_S = 1.0  # at an order file that may be accepted although nothing of it changes


class Succession:
    """The orders of one station. The listener has the one in force."""

    def __init__(
        self,
        station: StationFolder,
        order_file: OrderFile,
        listener: Listener,
        uplink: GroundUplink,
        alarms: Alarms,
        barrier: Barrier | None = None,
    ) -> None:
        self._station, self._order_file, self._listener, self._uplink = station, order_file, listener, uplink
        self._alarms, self._barrier = alarms, barrier or Barrier()
        self._file_at = float("-inf")  # when the order file is looked at next

    # --- by the link ---

    def look_at_link(self, now: float) -> None:
        """Look at the next complete order, if there is one; call it about ten times a second."""
        data = self._listener.pop_candidate_order(now)
        if data is None:
            return
        try:
            if not refusing(self._barrier, self._take_carried)(data):
                self._alarms.raise_(Reason.LINK_ORDER_UNFIT, now)
        except NumberTwice as error:
            self._alarms.raise_(Reason.NUMBER_TWICE, now, error=error)
        except KeysError as error:
            if error.passing:
                self._listener.orders.look_again(data)
            self._alarms.raise_(Reason.LINK_ORDER_REFUSED, now, key=kind_of(error), kind=kind_of(error))

    def _take_carried(self, data: bytes) -> bool:
        """False if it does not succeed ours: then it is not stored either, even if it is valid."""
        found, ours = self._station.verify(data), self._listener.order
        amendment.require_one_signer(found, ours)
        if found.operation == ours.operation and found.rank <= ours.rank:
            return True  # that aircraft does not have the newest order yet
        return amendment.succeeds(found, ours) and self._take(found)

    # --- by file ---

    def look_at_file(self, now: float) -> None:
        """Look at the order file if it was replaced, or if only the clock or the disk was the reason to refuse it."""
        if now < self._file_at:
            return
        try:
            if data := self._order_file.changed():
                self._show_file(None, fits=refusing(self._barrier, self._take_file)(data), now=now)
        except KeysError as error:
            if error.passing:
                self._order_file.look_again()
                self._file_at = now + LOOK_AGAIN_S
            self._show_file(error, fits=True, now=now)

    def _take_file(self, data: bytes) -> bool:
        return self._take(self._station.verify(data))

    def _show_file(self, refused: KeysError | None, *, fits: bool, now: float) -> None:
        if refused:
            cure = f"; {refused.hint}" if isinstance(refused, FolderError) and refused.hint else ""
            self._alarms.raise_(Reason.FILE_ORDER_REFUSED, now, error=f"{refused}{cure}")
        else:
            self._alarms.clear(Reason.FILE_ORDER_REFUSED)
        if fits:
            self._alarms.clear(Reason.FILE_ORDER_UNFIT)
        else:
            self._alarms.raise_(Reason.FILE_ORDER_UNFIT, now)

    # --- either ---

    def _take(self, found: VerifiedOrder) -> bool:
        """False if it is valid, but does not succeed ours.

        An order is stored before it is used, so the loop waits for the disk. That happens once for each order that the
        agency signs, because an order from the link is stored only if it succeeds ours.
        """
        self._uplink.require_for(found)
        newest = self._station.newest_of(found, int(time.time()))
        if amendment.succeeds(newest, self._listener.order):
            added = newest.content.devices[len(self._listener.order.content.devices) :]  # the index of each device stays
            recall(self._station, newest.agency_id, added, self._listener.starts, self._uplink.sessions.systems)
            self._listener.adopt(newest)
            self._uplink.adopt(newest)
            self._alarms.clear(Reason.NUMBER_TWICE)
            say("ground", f"{self._station.name}: goes on under order {newest.content.serial}")
        return newest.order_hash == self._listener.order.order_hash
