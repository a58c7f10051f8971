"""Pushed: pictures that a controller brings by RTMP, to the RTP of a lane.

What lives here: the state of such a source. What must not: RTMP (rtmp.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from gateway import clock
from gateway.report.source_status import State
from gateway.sources import rtmp
from gateway.sources.runner import SILENT_S
from gateway.sources.stream import Rtp, Send
from gateway.sources.tables import RtmpAddress
from gateway.video.damage import Damage
from gateway.video.nal import AccessUnit


class Pushed:
    """`last_error` is the last word of the server about its publisher."""

    def __init__(self, name: str, at: RtmpAddress, send: Send, say: Callable[[str], None]) -> None:
        self._name, self._at, self._send, self._say = name, at, send, say
        self._rtp: Rtp | None = None
        self._heard: float | None = None
        self._before = 0  # pictures in another codec
        self._damage: Counter[Damage] = Counter()
        self.restarts = 0
        self.last_error = ""

    @property
    def state(self) -> State:
        if self._heard is None:
            return State.STARTING
        return State.BRINGING if clock.now() - self._heard < SILENT_S else State.SILENT

    @property
    def pictures(self) -> int:
        return self._before + (self._rtp.pictures if self._rtp else 0)

    def damage(self) -> Counter[Damage]:
        return self._damage + (self._rtp.damage if self._rtp else Counter())

    async def run(self) -> None:
        await rtmp.serve(self._at.host, self._at.port, self._at.path, self._at.key, self._picture, self._told)

    def _picture(self, unit: AccessUnit, timestamp: int) -> None:
        if self.state is State.SILENT:
            self.restarts += 1
        self._heard = clock.now()
        if self._rtp is None or self._rtp.codec != unit.codec:  # a controller was set to another codec: another stream
            self._before, self._damage = self.pictures, self.damage()
            self._rtp = Rtp(unit.codec, self._send)
        self._rtp.picture(unit, timestamp)

    def _told(self, text: str) -> None:
        self.last_error = text
        self._say(f"{self._name}: {text}")
