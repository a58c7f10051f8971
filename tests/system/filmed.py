"""A flight that is filmed: what the demo's flight controller says, and cameras, into a real aircraft and its recorder."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

from gateway.demo.clip import CLIP, Camera, pictures
from gateway.demo.flight import recorded_flight
from gateway.demo.stage import HOST, free_port
from gateway.recording.group import Group
from gateway.report.role_status import AirStatus
from gateway.report.status_socket import read_all
from gateway.video.rtp import CLOCK_HZ
from gateway.video.ts_mux import START_CODE, TsMux
from tests.system.recorded import EVERY_S, RecordedFlight

FRAMES_EACH = 5
PICTURES = pictures(CLIP.read_bytes())


class FilmedFlight(RecordedFlight):
    """RTP of H.264 comes to video A, MPEG-TS to camera C; both are in `sent`, beside the frames, by their group.

    With `films` false no camera sends, and a test does.
    """

    def __init__(self, folder: Path, *, films: bool = True) -> None:
        self.sent: dict[Group, list[bytes]] = {Group.FLIGHT: [], Group.VIDEO_A: [], Group.CAMERA_C: []}
        self.only_recorded_port, self._films = free_port(), films
        super().__init__(folder, record=f'video = ["udpin:{HOST}:{self.only_recorded_port}"]\n')
        self._camera = Camera((HOST, self.camera_port))
        self.sent[Group.VIDEO_A] = self._packets = []
        self._mux, self._log = TsMux("h264"), itertools.cycle(frame for _, frame in recorded_flight())

    def fly(self) -> None:
        now = time.monotonic()
        if now < self._next_frame:
            return
        self._next_frame, self.number = now + EVERY_S, self.number + 1
        for frame in itertools.islice(self._log, FRAMES_EACH):
            self._send(Group.FLIGHT, frame, self.fc_port)
        if self._films:
            self._film(now)

    def _film(self, now: float) -> None:
        self._camera.play(now)
        self._packets += self._camera.packets_sent()[len(self._packets) :]
        if self.number % 2:
            unit, at = PICTURES[self.number // 2 % len(PICTURES)], round(now * CLOCK_HZ)
            data = self._mux.picture(START_CODE + START_CODE.join(unit.nals), unit.key, at, at)
            for at in range(0, len(data), 7 * 188):
                self._send(Group.CAMERA_C, data[at : at + 7 * 188], self.only_recorded_port)

    def _send(self, group: Group, data: bytes, port: int) -> None:
        self.sender.sendto(data, (HOST, port))
        self.sent[group].append(data)

    def wait_recorded(self, *groups: str) -> None:
        """Until the aircraft says that it records these."""
        assert self.until(lambda: {*groups} <= {*recorded()}), self.logs()

    def end(self) -> None:
        super().end()
        self._camera.close()


def recorded() -> list[str]:
    own = next((status for status in read_all() if isinstance(status, AirStatus)), None)
    return own.recording.groups if own and own.recording else []
