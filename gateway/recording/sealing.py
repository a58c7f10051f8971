"""Sealing: the thread that seals and writes, and may stand still for seconds with the card. SPEC.md section 8.

1  wait for messages, or the time of the next cut
2  each message to the recorder, within a barrier
3  a cut, if it is due
4  to the card what it takes
5  what the card does, as gaps; and the state, for the thread that talks to air
"""

from __future__ import annotations

import dataclasses
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from gateway import clock
from gateway.core.barrier import Barrier
from gateway.recording import handover
from gateway.recording.disk import Disk
from gateway.recording.group import Group
from gateway.recording.handover import Sign
from gateway.recording.queue import Ended, Entry, Lost, Queue
from gateway.recording.reason import CloseReason, GapReason
from gateway.recording.recorder import Fill, Recorder, Refused
from gateway.recording.settings import Record
from gateway.recording.writer import RETRY_S, Trouble, Writer
from keys.errors import KeysError

RATE_OVER_S = 60.0
ASK_AGAIN_S = 2.0
LEAVE_WITHIN_S = 5.0  # at the end, a card that stands still is waited for no longer


@dataclasses.dataclass(frozen=True)
class Progress:
    """What the sealing thread last knew; replaced as a whole, so that the other thread reads no half of it."""

    groups: tuple[Group, ...] = ()
    trouble: Trouble | None = None
    room_s: int | None = None
    lost: int = 0
    counted: int = 0  # bytes of this session


class Sealing:
    """`ask` sends a Sign to air and never waits. `rejected` counts messages that meant nothing."""

    def __init__(self, queue: Queue, disk: Disk, settings: Record, ask: Callable[[Sign], None], fill: Fill) -> None:
        self._queue = queue
        self._writer = Writer(disk, Path(settings.folder), settings.keep_free)
        self._recorder = Recorder(self._writer, ask, fill, settings.memory)
        self.barrier = Barrier()
        self.rejected = 0
        self.progress = Progress()
        self.busy_since: float | None = None  # of the work on the card that has not returned
        self._trouble: Trouble | None = None
        self._counts: deque[tuple[float, int]] = deque([(clock.now(), 0)])
        self._asked_at = float("-inf")
        self._thread = threading.Thread(target=self._run, name="sealing", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> bool:
        """Whether all was written."""
        self._queue.stop()
        self._thread.join(LEAVE_WITHIN_S)
        return not self._thread.is_alive()

    # --- the thread ---

    def _run(self) -> None:
        goes_on = True
        while goes_on:
            entries, goes_on = self._queue.take(self._wait_s(clock.now()))
            with self.barrier:
                self.turn(entries, clock.now(), last=not goes_on)
        self._writer.leave()

    def _wait_s(self, now: float) -> float | None:
        """Until something is due; None without a session. Which data wakes this thread before: queue.py."""
        due = [at for at in (self._recorder.cut_at(),) if at is not None]
        if self._recorder.session:
            due.append(now + self._recorder.session.order.policy.segment_s)
        if not self._writer.is_idle():
            due.append(now + RETRY_S)
        return max(0.0, min(due) - now) if due else None

    def turn(self, entries: list[Entry], now: float, *, last: bool = False) -> None:
        """One turn; `last` ends all segments, as nothing follows. `entries` are emptied: none is kept twice."""
        entries.reverse()
        while entries:
            received, entry = entries.pop()
            with self.barrier:
                self._take(entry, received)
        if last or ((at := self._recorder.cut_at()) is not None and now >= at):
            self._recorder.cut(now)
        self.busy_since = now
        self._work(now)
        self.busy_since = None
        self._queue.keep(self._writer.waiting())
        self._report(clock.now())

    def _take(self, entry: bytes | Lost | Ended, received: float) -> None:
        recorder = self._recorder
        try:
            if isinstance(entry, Lost):
                recorder.lose(entry.datagrams, entry.from_us, entry.to_us, received)
            elif isinstance(entry, Ended):
                recorder.end(CloseReason.GONE, received)
                recorder.abandon()
            elif entry[0] == handover.DATA:
                recorder.put(memoryview(entry), received)
            else:
                recorder.take(handover.from_air(entry), received)
        except (KeysError, Refused, ValueError):
            self.rejected += 1

    def _work(self, now: float) -> None:
        recorder, writer = self._recorder, self._writer
        writer.work(now)
        if writer.found is not None:
            recorder.found(writer.found, now)
            writer.found = None
        if not writer.is_idle() and now >= self._asked_at + ASK_AGAIN_S:
            self._asked_at = now
            recorder.ask_again()
        if recorder.session and writer.trouble != self._trouble:
            self._trouble_changed(writer.trouble, now)

    def _trouble_changed(self, trouble: Trouble | None, now: float) -> None:
        recorder = self._recorder
        if self._trouble and (trouble is None or trouble.reason != self._trouble.reason):
            recorder.close_gap(self._trouble.reason, now)
        if trouble and (self._trouble is None or trouble.reason != self._trouble.reason):
            leaves = recorder.open_gap(trouble.reason, recorder.mono_us(now))
            assert recorder.session is not None
            if not (trouble.reason == GapReason.CARD_FULL and self._writer.tell(recorder.session, leaves, now)):
                recorder.leaf(leaves, now)
        self._trouble = trouble

    def _report(self, now: float) -> None:
        recorder, writer = self._recorder, self._writer
        if now - self._counts[-1][0] >= 1:
            self._counts.append((now, writer.counted_ever))
            while now - self._counts[0][0] > RATE_OVER_S:
                self._counts.popleft()
        self.progress = Progress(
            recorder.groups if recorder.session else (), writer.trouble, self._room_s(), recorder.lost, writer.counted
        )

    def _room_s(self) -> int | None:
        (since, before), (until, counted) = self._counts[0], self._counts[-1]
        if self._writer.room is None or counted <= before:
            return None
        return int(self._writer.room * (until - since) / (counted - before))
