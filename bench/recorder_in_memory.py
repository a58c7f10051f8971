"""Recorder in memory: the recorder's own code without its process and its clock: each message brings its own time.

What lives here: a session that is recorded to a folder as fast as this process can. What must not: sockets, figures.
"""

from __future__ import annotations

import os
from pathlib import Path

from bench.recorded_session import RecordedSession
from gateway.recording import handover
from gateway.recording.disk import Disk
from gateway.recording.handover import Epoch, Sign
from gateway.recording.reason import CloseReason
from gateway.recording.recorder import Recorder
from gateway.recording.writer import Writer

MEMORY = 32 << 20
EPOCH_S = 600.0  # a recording lasts one epoch


class RecorderInMemory:
    """`archive` gets the recording key, `card` the recording. All times are seconds since the session began.

    `written`  bytes of records
    """

    def __init__(self, archive: Path, card: Path) -> None:
        self.session, self.written = RecordedSession(archive, 0.0), 0
        self._asked: list[Sign] = []
        self._writer = Writer(Disk(), card, 0)
        self._recorder = Recorder(self._writer, self._asked.append, _draw, MEMORY)
        self._recorder.take(self.session.message, 0.0)
        self._epoch = 1

    def put(self, message: bytes, now: float) -> None:
        """A data message; all that is due is done."""
        if now >= self._epoch * EPOCH_S:
            self._recorder.take(Epoch(self._recorder.mono_us(now)), now)
            self._epoch += 1
        self._recorder.put(memoryview(message), now)
        self.written += len(message) - handover.HEAD.size
        if (due := self._recorder.cut_at()) is not None and now >= due:
            self.cut(now)
            self.work(now)

    def cut(self, now: float) -> None:
        """End the segment."""
        self._recorder.cut(now)

    def work(self, now: float) -> None:
        """Write what can be written. OSError if the card fails."""
        while self._asked:
            self._recorder.take(self.session.sign(self._asked.pop()), now)
        self._writer.work(now)
        if self._writer.trouble:
            raise OSError(self._writer.trouble.text)

    def end(self, now: float) -> None:
        self._recorder.end(CloseReason.ENDED, now)
        self.work(now)
        self._writer.leave()


def _draw(buffer: bytearray) -> None:
    buffer[:] = os.urandom(len(buffer))
