"""A flight that is recorded: a house with a recording key, `zegel air` with its recorder, and what the card holds of it."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from gateway.demo.stage import HOST, run_until, udp_socket
from gateway.recording import opened
from gateway.recording.group import Group
from gateway.recording.leaf import Leaf
from gateway.recording.opened import Session
from gateway.recording.pcap import Record
from gateway.recording.segment_keys import OfKey
from keys.folders.recording import RecordingFolder
from tests.system.field import attitude
from tests.system.house import Flight, House, zegel
from tests.system.test_air import heartbeat

ENDS_WITHIN_S = 30.0
EVERY_S = 0.02
BEHIND_S = 0.01  # so much is made up for when this process had no processor


@dataclasses.dataclass
class Found:
    """Of one session on a card: what its log says, and what opens of it with the key."""

    session: Session
    records: list[Record]

    @property
    def leaves(self) -> list[Leaf]:
        return self.session.leaves

    def of(self, port: int) -> list[bytes]:
        return [record.content for record in self.records if record.port == port]


class RecordedFlight(Flight):
    """`order`: more words of `zegel order issue`; `record`: more lines of [record]. A frame of the flight controller comes
    50 times a second, and a picture every `every_s` seconds.
    """

    every_s = EVERY_S

    def __init__(
        self,
        folder: Path,
        names: Sequence[str] = ("pilot",),
        order: Sequence[str] = (),
        card: Path | None = None,
        record: str = "",
    ) -> None:
        archive = folder / "archive"
        zegel("recording", "keygen", archive, "--name", "archive")
        house = House(folder, more=("--recording", str(archive / "rec.pub"), *order))
        self.key, self.card = RecordingFolder.open(archive), card or folder / "card"
        self.config = config = folder / "air.toml"
        config.write_text(f'[record]\nfolder = "{self.card}"\nkeep_free_mib = 0\n{record}')
        self.sender, self.number, self.armed = udp_socket(), 0, False
        self._next_frame = self._next_picture = 0.0
        self._frames, self.sent_at = itertools.count(1), [0.0]  # pictures, by their numbers
        super().__init__(house, names, more=("--config", str(config)))
        self.step_more = self.fly

    def fly(self) -> None:
        now = time.monotonic()
        if now >= self._next_frame:
            self._next_frame = now + EVERY_S
            number = next(self._frames)
            self.sender.sendto(attitude(number), (HOST, self.fc_port))
            if number % 50 == 0:
                self.sender.sendto(heartbeat(armed=self.armed), (HOST, self.fc_port))
        self._next_picture = max(self._next_picture, now - BEHIND_S)
        while now >= self._next_picture:
            self._next_picture += self.every_s
            self.number += 1
            self.sent_at.append(now)
            self.sender.sendto(self.picture(self.number), (HOST, self.camera_port))

    @staticmethod
    def picture(number: int) -> bytes:
        return b"picture %08d " % number + random.Random(number).randbytes(1000)

    def recorders(self) -> list[int]:
        """The processes that record for this aircraft."""
        pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
        return [pid for pid in pids if str(self.config) in (words := _words(pid)) and "recorder" in words]

    def kill_recorder(self) -> None:
        for pid in self.recorders():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def end(self) -> None:
        super().end()
        self.sender.close()

    def ended(self) -> list[Found]:
        """What is on the card once no process records any more."""
        assert run_until(lambda: not self.recorders(), lambda: None, [], ENDS_WITHIN_S), self.air.output()
        return self.found()

    def found(self) -> list[Found]:
        """Each session that is on the card, in the order of the aircraft's starts."""
        key = OfKey(self.key)
        return [Found(session, [*session.records(key, Group)]) for session in opened.sessions(self.card)]


def _words(pid: int) -> list[str]:
    """The command line of a process; none if it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    return []
