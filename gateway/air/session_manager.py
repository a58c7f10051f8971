"""Session manager: the sessions of one start of `zegel air`, in turn. The order in force, and how it changes in flight.

The flow of a change, SPEC.md section 7:
  1  `put_in_force`      from the inbox of the device folder, or complete from the link: verified, stored, fsynced
  2  `_prepare`        an order that drops no station is first sent to the stations, until they hold it or the lead ends
  3  `_change`         the closing beat, the next boot counter, a new session under the new order; no overlap

What lives here: when a session begins, and with what. gateway.core makes its messages, keys checks its order.
"""

from __future__ import annotations

import os
import time

from gateway import clock
from gateway.air.vendors import Vendors
from gateway.core import order_fragments
from gateway.core.air.announcer import Announcer, DeviceStart
from gateway.core.air.order_broadcaster import OrderBroadcaster
from gateway.core.aircraft_state import AircraftState
from gateway.core.barrier import Barrier
from gateway.core.order_intake import OrderIntake
from gateway.loop.background import BackgroundTask
from gateway.loop.barrier import refusing
from gateway.loop.watchdog import Manager
from gateway.report.alarms import Alarms, Reason, kind_of
from gateway.report.log import say
from keys import amendment
from keys.beat_flag import Flag
from keys.errors import FolderError, KeysError, NoOrder, NumberTwice
from keys.folders import inbox
from keys.folders.device import DeviceFolder
from keys.lanes import TELEMETRY_LANES, VIDEO_LANES, Lane, lanes_for
from keys.order import VerifiedOrder, fits_link, verify_order

INBOX_EVERY_S = 0.5
LIMITS_EVERY_S = 10.0
AHEAD_ROUNDS = 6  # rounds of an order, at 30 % loss
AHEAD_MAX_S = 60.0  # the longest wait of a change on a narrow link; the longest lead_s
COUNT_SECONDS_EVERY_S = 60


class SessionManager:
    """`device` is the open (locked) folder."""

    def __init__(
        self,
        device: DeviceFolder,
        cameras: int,
        link_bps: int,
        alarms: Alarms,
        barrier: Barrier | None = None,
        vendors: Vendors | None = None,
    ) -> None:
        self.device, self.order = device, device.order()
        self._cameras, self._link_bps, self._alarms = cameras, link_bps, alarms
        self._broadcaster: OrderBroadcaster | None = None
        self._next: VerifiedOrder | None = None  # stored already; the session under it begins at `_change_at`
        self._change_at = float("inf")
        self._carried: OrderIntake[int] = OrderIntake()  # by station, so that none spoils the order of another
        self._inbox_at = self._limits_at = 0.0
        self._barrier = barrier or Barrier()
        self._vendors = vendors or Vendors()
        self._background = BackgroundTask(self._barrier)
        self.boot = 0  # the counter of this session; 0 before the first
        self.state = AircraftState()  # for the next beats; the caller keeps it current
        self._former = b""  # the id of the session before this one in this process

    def begin(self, now: float) -> None:
        """The session under the order in force; it has sent nothing yet."""
        if not self.boot and (damage := self.device.damage()):
            self._alarms.raise_(Reason.STATE_DAMAGED, now, damage=damage)
        self.boot, unsaved = self.device.next_boot()
        self._show_unsaved(unsaved, now)
        self.announcer = self._announcer(now)
        while self.announcer.session_id[:1] == self._former[:1]:  # the uplink of both would be ambiguous
            self.announcer = self._announcer(now)
        self._former = self.announcer.session_id
        self.announcer.flags |= self._vendors.flag
        self._vendors.look(self.order.content, now)
        self._broadcaster = None
        if Lane.ORDER in self.announcer.lanes:
            self._broadcaster = OrderBroadcaster(self.announcer, self.order, Lane.ORDER, now + self.announcer.round_s)
        self._started, self._counted = now, 0
        self._watch_limits(now)

    def _announcer(self, now: float) -> Announcer:
        device = DeviceStart(self.device.device_index(self.order.content), self.device.key, self.boot)
        return Announcer(self.order, device, self._lanes(), self._link_bps, os.urandom, now, self.claim())

    def claim(self) -> int:
        """The time to announce: the board's clock, or 0 if it cannot be right."""
        return self.device.claim(board_clock())

    def _lanes(self) -> tuple[Lane, ...]:
        """The lanes of this session: those with a reader, one video lane per camera, and the order's if it amends one."""
        read = {lane for station in self.order.content.stations for lane in lanes_for(station.roles)}
        wanted = [*TELEMETRY_LANES, *VIDEO_LANES[: self._cameras], Lane.EVIDENCE]
        if self.order.content.previous and fits_link(self.order.raw):
            wanted.append(Lane.ORDER)
        return tuple(lane for lane in wanted if lane in read)

    # --- what goes out ---

    def next_due(self) -> float:
        broadcaster = self._broadcaster.next_due() if self._broadcaster else float("inf")
        return min(self.announcer.next_due(), broadcaster, self._change_at)

    def datagrams(self, now: float) -> list[bytes]:
        """Everything that is due at `now`, in order; `announcer` is a new one afterwards if the session has changed."""
        self.announcer.state = self.state
        out = self.announcer.datagrams(now, self.claim())
        if self._broadcaster:
            out += self._broadcaster.datagrams(now)
        if self._next and (now >= self._change_at or not self._broadcaster or self._broadcaster.done):
            out += self._change(self._next, now)
        return out

    def close(self, now: float) -> list[bytes]:
        """The last beat."""
        self.announcer.state = self.state
        return self.announcer.close(now, self.claim())

    # --- 1: a new order ---

    def put_in_force(self, data: bytes, now: float) -> None:
        """Put an order in force, and prepare its session. KeysError if it is refused, and then nothing has changed."""
        self.count_seconds(now)  # of the order that was in force
        try:
            verified = self.device.load_order(data, board_clock())
        except FolderError as error:
            verified = self.device.order()
            if verified.order_hash == self.order.order_hash:
                raise
            self._show_unsaved(str(error), now)  # the order is stored; its state is stored with the next write
        if verified.order_hash not in (self.order.order_hash, self._next and self._next.order_hash):
            self._prepare(verified, now)

    def challenged(self, station: int) -> None:
        """A station has sent a datagram under this session's order."""
        if self._broadcaster and not self._next:
            self._broadcaster.arrived(station)

    def order_held(self, station: int, name: bytes, now: float) -> None:
        """A station reports which order it holds, by the first 16 bytes of its order_hash."""
        if self._broadcaster and self._next and self._next.order_hash.startswith(name):
            self._broadcaster.arrived(station)
            if self._broadcaster.done:
                self._change_at = now

    def order_fragment(self, station: int, content: bytes, now: float) -> bool:
        """A piece of an order that a station with the role command or control carries up; False if it is invalid."""
        if self.order.order_hash.startswith(order_fragments.name_of(content)):
            return True
        try:
            self._carried.add(station, content)
        except ValueError:
            return False
        self._look_into_carried(now)
        return True

    def _look_into_carried(self, now: float) -> None:
        """The order whose turn it is, of the complete ones that stations have carried up."""
        if found := self._carried.pop(now):
            self._take_carried(*found, now)

    def _take_carried(self, station: int, data: bytes, now: float) -> None:
        name = next((listed.name for listed in self.order.content.stations if listed.index == station), "?")
        try:
            carried = verify_order(data, self.device.roots, 0)
            amendment.require_one_signer(carried, self.device.order())
            if carried.rank <= self.device.order().rank:
                return  # that station does not have the newest yet
            if not amendment.succeeds(carried, self.device.order()):
                self._alarms.raise_(Reason.CARRIED_UNFIT, now, key=station, station=name)
                return
            self.put_in_force(data, now)
        except NumberTwice as error:
            self._alarms.raise_(Reason.NUMBER_TWICE, now, error=error)
        except KeysError as error:
            if error.passing:
                self._carried.look_again(data)
            self._alarms.raise_(Reason.CARRIED_REFUSED, now, key=station, station=name, kind=kind_of(error))

    # --- 2 and 3: the change ---

    def _prepare(self, new: VerifiedOrder, now: float) -> None:
        self._alarms.clear(Reason.NUMBER_TWICE)
        self._next, self._change_at, self._broadcaster = new, now, None
        if (
            amendment.succeeds(new, self.order)
            and not amendment.drops(new.content, self.order.content)
            and fits_link(new.raw)
        ):
            self._broadcaster = OrderBroadcaster(self.announcer, new, Lane.EVIDENCE, now)
            self._change_at = now + min(
                max(self.order.content.policy.lead_s, AHEAD_ROUNDS * self._broadcaster.round_s), AHEAD_MAX_S
            )
            self.announcer.flags |= Flag.ORDER_CHANGE_AHEAD
        say(
            "air",
            f"order {new.content.serial} for {new.content.operation!r} is in force, until now {self.order.content.serial}",
        )

    def _change(self, new: VerifiedOrder, now: float) -> list[bytes]:
        last = self.close(now)
        self.count_seconds(now)
        self.order, self._next, self._change_at = new, None, float("inf")
        self._carried.forget_refusals()
        self._carried.keep({station.index for station in new.content.stations})
        self.begin(now)
        self.announcer.state = self.state
        return last + self.announcer.datagrams(now, self.claim())

    # --- upkeep ---

    def watch(self, now: float) -> None:
        """The inbox, the order's limits, and orders that wait for their turn; call it some ten times a second."""
        with self._barrier:
            self._look_into_carried(now)
        if now >= self._inbox_at:
            self._inbox_at = now + INBOX_EVERY_S
            with self._barrier:
                self._look_into_inbox(now)
        if now >= self._limits_at:
            self._limits_at = now + LIMITS_EVERY_S
            with self._barrier:
                self._watch_limits(now)

    def _look_into_inbox(self, now: float) -> None:
        try:
            take = refusing(self._barrier, lambda data: self.put_in_force(data, now))
            if refused := inbox.serve(self.device.path, take):
                self._alarms.raise_(Reason.INBOX_REFUSED, now, key=kind_of(refused), error=refused)
        except FolderError as error:
            self._alarms.raise_(Reason.INBOX_BROKEN, now, error=error)
        else:
            self._alarms.clear(Reason.INBOX_BROKEN)

    def _watch_limits(self, now: float) -> None:
        flown = int(now - self._started) - self._counted
        due = flown >= COUNT_SECONDS_EVERY_S or self.device.unsaved  # a full or read-only card may be writable again
        if due and self._background.start(lambda: self.device.add_seconds(flown)):
            self._counted += flown
        self._show_unsaved(self._background.take_trouble(), now)
        if limit := self.device.limits(board_clock()):
            self.announcer.flags |= Flag.ORDER_EXPIRED
            self._alarms.raise_(Reason.ORDER_OVER, now, limit=limit)
        else:
            self._alarms.clear(Reason.ORDER_OVER)

    def left_s(self, now: float) -> float | None:
        """Until the order ends."""
        return self.device.order_left_s(board_clock(), now - self._started - self._counted)

    def _show_unsaved(self, trouble: str | None, now: float) -> None:
        if trouble:
            self._alarms.raise_(Reason.STATE_UNSAVED, now, error=trouble)
        elif not self.device.unsaved:
            self._alarms.clear(Reason.STATE_UNSAVED)

    def count_seconds(self, now: float) -> None:
        """Store the time flown now and wait for it: the next write to the folder must not meet another one."""
        self._background.finish()
        flown = int(now - self._started) - self._counted
        self._counted += flown
        self._show_unsaved(self.device.add_seconds(flown), now)


def await_order(device: DeviceFolder, manager: Manager) -> None:
    """Wait until an order is in force: a board that is set up before its first order sends nothing. KeysError."""
    try:
        device.order()
    except NoOrder as error:
        say("air", f"waiting: {error}; {error.hint}")
        manager.tell(lambda: "waiting for an order: nothing is sent")
        loaded: list[VerifiedOrder] = []
        take = refusing(Barrier(), lambda data: loaded.append(device.load_order(data, board_clock())))
        while not loaded:
            manager.turned(clock.now())
            if refused := inbox.serve(device.path, take):
                say("air", f"an order that was handed over is refused: {refused}")
            time.sleep(INBOX_EVERY_S)


def board_clock() -> int:
    """The time of the board's clock, in Unix seconds; it may be 1970, and the lower bound of keys decides."""
    return int(time.time())
