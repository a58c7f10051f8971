"""Boots: the starts of aircraft that a station remembers, from the listener to the station folder.

What lives here: when they are written. What must not: which of them count (core/ground/starts.py), how they are stored
(keys.folders.station).
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.core.ground.listener import Listener
from gateway.core.ground.starts import NewSession
from gateway.loop.background import BackgroundTask
from gateway.report.alarms import Alarms, Reason
from keys.folders.station import StationFolder

WRITE_EVERY_S = 1.0  # at most, so that an attacker cannot wear out the card with one start after another
RETRY_EVERY_S = 5.0  # while the folder cannot be written


class Boots:
    """The starts at one station. The listener has the order in force; later orders are of the same agency."""

    def __init__(self, station: StationFolder, listener: Listener, alarms: Alarms, background: BackgroundTask) -> None:
        self._station, self._listener, self._alarms, self._background = station, listener, alarms, background
        self._agency_id = listener.order.agency_id
        self._write_at = 0.0

    def record(self) -> None:
        """Put what changed into the folder's memory; call it after every batch."""
        self._remember(self._listener.take_heard())

    def _remember(self, heard: Iterable[NewSession]) -> None:
        for one in heard:
            start = (one.boot_counter, one.session_id, one.seq)
            self._station.record_boot(self._agency_id, one.device_public, *start, named=one.named)

    def write(self, now: float) -> None:
        """Write it in the background when it is due; call it about ten times a second."""
        if trouble := self._background.take_trouble():
            self._write_at = now + RETRY_EVERY_S
            self._alarms.raise_(Reason.BOOTS_UNSAVED, now, error=trouble)
        elif not self._station.unsaved:
            self._alarms.clear(Reason.BOOTS_UNSAVED)
        if self._station.unsaved and now >= self._write_at and self._background.start(self._station.store_heard):
            self._write_at = now + WRITE_EVERY_S

    def finish(self) -> None:
        """At the end of the process: write everything at once."""
        self._background.finish()
        self._remember(self._listener.starts.lasting())
        if self._station.unsaved:
            self._station.store_heard()
