"""Recorder feed: a real `zegel recorder`, and the end of its socket that is `zegel air`'s in flight.

What lives here: the process, its answers, and data at a given rate or as fast as it is written. What must not: figures.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import socket
import time
from collections.abc import Callable
from pathlib import Path

from bench import load
from bench.compiler import Absent
from bench.recorded_session import RecordedSession, data, in_a_message, records
from bench.workspace import Scene
from bench.zegel_pair import ZEGEL
from gateway import clock
from gateway.air.recorder_link import BUFFER
from gateway.recording import handover, leaf, paths
from gateway.recording.handover import Close, FromAir, Sign, State
from gateway.recording.leaf import Leaf
from gateway.recording.reason import CloseReason
from gateway.recording.stage import HAND_OVER_EVERY_S

AHEAD = 4 << 20  # bytes that the recorder has and has not written: two seconds of 16 Mbit/s
WITHIN_S = 30.0


class RecorderFeed:
    """`folder` is the card. `written`: bytes of plaintext that were handed over."""

    _numbers = itertools.count()

    def __init__(self, scene: Scene, session: RecordedSession, card: Path) -> None:
        self.session, self.card, self.written = session, card, 0
        self.state: State | None = None
        self._signed = False
        config = scene.folder / f"recorder-{next(self._numbers)}.toml"
        config.write_text(f'[record]\nfolder = "{card}"\nkeep_free_mib = 0\n')
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        scene.undo.callback(self._socket.close)
        with theirs:
            words = (*ZEGEL, "recorder", "--config", str(config), "--fd", str(theirs.fileno()))
            self._process = scene.start(words, config.stem, descriptors=[theirs.fileno()])
        self.pid = self._process.pid
        self._tell(session.message)

    def wait_ready(self) -> None:
        """Hand over a first message; its recording is signed, so that what follows costs no key. Absent."""
        self.put(data(records([bytes(load.VIDEO_SIZE)], 0)))
        self._wait(lambda: self._signed, "began no recording")

    def put(self, message: bytes, how: int = 0) -> None:
        """A data message; without MSG_DONTWAIT it waits for room in the socket."""
        self._look(0.0)
        self._socket.send(message, how)
        self.written += len(message) - handover.HEAD.size

    def pour(self, size: int) -> None:
        """So many bytes of plaintext at least, as fast as they are written."""
        message = data(records([os.urandom(load.VIDEO_SIZE) for _ in range(in_a_message(load.VIDEO_SIZE))], 0))
        until, offset = self.written + size, self.written - self._wrote()
        while self.written < until:
            with contextlib.suppress(BlockingIOError):  # the socket is full
                while self.written - offset - self._wrote() < AHEAD:
                    self.put(message, socket.MSG_DONTWAIT)
            self._look(HAND_OVER_EVERY_S)

    def _wrote(self) -> int:
        """Bytes of its files. What the system counts of a process that holds keys is for root alone."""
        return sum(each.stat().st_size for each in self.card.rglob("*.cbl"))

    def fly(self, mbit: float, seconds: float) -> None:
        """Video of this rate for so long, handed over as often as an aircraft does."""
        each = mbit * 1e6 / 8 / load.VIDEO_SIZE * HAND_OVER_EVERY_S  # datagrams
        began, sent = time.monotonic(), 0
        contents = [os.urandom(load.VIDEO_SIZE) for _ in range(round(each) + 1)]
        for turn in range(1, round(seconds / HAND_OVER_EVERY_S) + 1):
            self._look(max(0.0, began + turn * HAND_OVER_EVERY_S - time.monotonic()))
            count = round(turn * each) - sent
            if count:
                self.put(data(records(contents[:count], 1000 * self.mono_us())))
            sent += count

    def mono_us(self) -> int:
        """The time of the session."""
        return int((clock.now() - self.session.began) * 1e6)

    def leaves(self) -> list[Leaf]:
        with contextlib.suppress(FileNotFoundError):
            return leaf.read((paths.session(self.card, self.session.session_id) / paths.LEAVES).read_bytes())
        return []

    def end(self) -> None:
        """The session is over, and all of it is on the card; the process goes on. Absent."""
        self._tell(Close(self.mono_us(), CloseReason.ENDED))
        self._wait(lambda: any(isinstance(each, leaf.Close) for each in self.leaves()), "did not end its session")

    def close(self) -> None:
        """The process ends."""
        self._socket.close()
        self._process.wait(WITHIN_S)

    def _tell(self, message: FromAir) -> None:
        self._socket.send(handover.encode(message))

    def _wait(self, reached: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + WITHIN_S
        while not reached():
            if time.monotonic() > until:
                raise Absent(f"the recorder {what} within {WITHIN_S:g} s", hint="read what it says: zegel recorder")
            self._look(0.05)

    def _look(self, wait_s: float) -> None:
        """Read and answer what the recorder says, for so long."""
        until = time.monotonic() + wait_s
        while select.select([self._socket], [], [], max(0.0, until - time.monotonic()))[0]:
            message = self._socket.recv(handover.MESSAGE_MAX)
            if not message:
                raise Absent("the recorder ended", hint="start it by hand: zegel recorder")
            said = handover.from_recorder(message)
            if isinstance(said, Sign):
                self._tell(self.session.sign(said))
                self._signed = True
            else:
                self.state = said
