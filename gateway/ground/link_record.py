"""Link record: what comes by the links of a ground is kept as it came, sealed, if it was started with --record DIR.

What lives here: what a start says of itself, which order is in force, and the alarm. What must not: files and the thread
(gateway.recording.link), opening.
"""

from __future__ import annotations

import contextlib
from importlib.metadata import version
from pathlib import Path

from gateway import clock
from gateway.batch import Batch
from gateway.config import GroundConfig
from gateway.core.ground.starts import Start
from gateway.ground.named_start import named_start
from gateway.recording.link import form
from gateway.recording.link.files import KEEP_FREE
from gateway.recording.link.stage import LinkStage
from gateway.recording.link.writer import Writer
from gateway.report.alarms import Alarms, Reason
from gateway.report.log import say
from keys.folders import store
from keys.folders.station import StationFolder
from keys.order import VerifiedOrder

LOSING_FOR_S = 10.0  # since the last datagram was lost, for the alarm


def link_record(settings: GroundConfig, station: StationFolder, order: VerifiedOrder) -> LinkRecord | None:
    """None if nothing is recorded. FolderInUse if another process records into the folder."""
    if settings.record is None:
        return None
    start = form.Start(
        unix_us=0,
        links=len(settings.link),
        software=version("zegel"),
        known=_known(station, order),
        named=_named(named_start(settings, order)),
    )
    say("ground", f"{station.name}: keeps what comes by the links, sealed, in {settings.record}")
    return LinkRecord(Path(settings.record), start, order)


class LinkRecord:
    """Of one start of a ground."""

    def __init__(self, folder: Path, start: form.Start, order: VerifiedOrder, keep_free: int = KEEP_FREE) -> None:
        with contextlib.suppress(OSError):  # the writer says so, and tries again
            folder.mkdir(store.FOLDER_MODE, exist_ok=True)
        self._lock = store.Lock(folder) if folder.is_dir() else None
        began = clock.now()
        self.stage, self._order = LinkStage(began), order
        self._writer = Writer(folder, start, began, keep_free)
        self._say()
        self._lost, self._lost_at = 0, float("-inf")

    def take(self, number: int, batch: Batch, order: VerifiedOrder, now: float) -> None:
        """What was just read from this link, under the order in force; call it before the batch is opened in place."""
        if order is not self._order:
            self._order = order
            self.hand_over(now)
            self._say()
        self.stage.add(number, batch, now)
        if self.stage.is_much:
            self.hand_over(now)

    def _say(self) -> None:
        self._writer.say(self._order.order_hash.hex(), self._order.raw)

    def hand_over(self, _now: float) -> None:
        """What waits here goes to the writer; call it a few times a second."""
        found, lost = self.stage.take()
        if any(found):
            self._writer.add(b"".join(found))
        if lost:
            self._writer.lose(lost)

    def look(self, alarms: Alarms, now: float) -> None:
        """Raise the alarm, or end it."""
        if (lost := self._writer.lost) > self._lost:
            self._lost, self._lost_at = lost, now
        losing = now - self._lost_at < LOSING_FOR_S
        if why := self._writer.trouble or ("the disk is too slow" if losing else ""):
            alarms.raise_(Reason.LINK_NOT_RECORDED, now, why=why)
        else:
            alarms.clear(Reason.LINK_NOT_RECORDED)

    def end(self) -> None:
        self.hand_over(clock.now())
        self._writer.end()
        if self._lock:
            self._lock.release()


def _known(station: StationFolder, order: VerifiedOrder) -> list[tuple[str, int, str, int]]:
    """What the station remembers of the order's aircraft, which the listener of this start knows too."""
    found = []
    for device in order.content.devices:
        if boot := station.boot(order.agency_id, device.pub):
            counter, session_id, seq = boot
            found.append((device.pub.hex(), counter, session_id.hex(), seq))
    return found


def _named(start: Start | None) -> tuple[str, int] | None:
    return (start.device_public.hex(), start.boot_counter) if start else None
