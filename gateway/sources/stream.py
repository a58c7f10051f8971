"""Stream: what a command or a vendor process gives, to the datagrams of a lane.

What lives here: the parsers of gateway/video with a timer and random first numbers. What must not: pipes, sockets.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from gateway import clock
from gateway.video.annexb import Splitter
from gateway.video.damage import Damage
from gateway.video.nal import AccessUnit, Codec
from gateway.video.packetiser import Packetiser
from gateway.video.rtp import CLOCK_HZ
from gateway.video.ts import Pieces

Send = Callable[[Sequence[bytes]], None]


class Stream(Protocol):
    """`pictures` is 0 where they are not counted."""

    @property
    def pictures(self) -> int: ...
    def damage(self) -> Counter[Damage]: ...


class Parser(Stream, Protocol):
    """Of bytes."""

    def begin(self) -> None:
        """What is fed from now on continues nothing."""

    def feed(self, data: bytes) -> None: ...


class Plain:
    """Whole datagrams, which nothing here looks into."""

    pictures = 0

    def damage(self) -> Counter[Damage]:
        return Counter()


class Rtp:
    """Pictures of one codec to RTP, in one stream also over restarts, so that a player needs not begin again."""

    def __init__(self, codec: Codec, send: Send) -> None:
        self.codec: Codec = codec
        self._send = send
        self._packetiser = Packetiser(codec, secrets.randbits(32), secrets.randbits(16))
        self._first = secrets.randbits(32)
        self.pictures = 0
        self.damage = self._packetiser.damage

    def picture(self, unit: AccessUnit, timestamp: int) -> None:
        """`timestamp` in 1/90,000 s of any clock: when it is shown."""
        self.pictures += 1
        self._send(self._packetiser.packets(unit, self._first + timestamp))


class Elementary:
    """Annex B: a picture is complete when the next one begins, or after a few milliseconds of silence."""

    def __init__(self, codec: Codec, send: Send) -> None:
        self._rtp = Rtp(codec, send)
        self._splitter = Splitter(codec)
        self._timer: asyncio.TimerHandle | None = None
        self._damage: Counter[Damage] = Counter()

    @property
    def pictures(self) -> int:
        return self._rtp.pictures

    def begin(self) -> None:
        self._damage += self._splitter.damage
        self._splitter = Splitter(self._rtp.codec)

    def feed(self, data: bytes) -> None:
        self._out(self._splitter.feed(data, clock.now()))
        if self._timer is None:
            self._wait()

    def damage(self) -> Counter[Damage]:
        return self._damage + self._splitter.damage + self._rtp.damage

    def _wait(self) -> None:
        if (due := self._splitter.due()) is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, due - clock.now()), self._look)

    def _look(self) -> None:
        self._timer = None
        due = self._splitter.due()
        if due is not None and due <= clock.now():
            self._out(self._splitter.flush())
        self._wait()

    def _out(self, units: Sequence[AccessUnit]) -> None:
        for unit in units:
            self._rtp.picture(unit, int(unit.time * CLOCK_HZ))


class Transport:
    """MPEG-TS, in pieces. Metadata (KLV) passes untouched."""

    pictures = 0
    FLUSH_S = 0.003

    def __init__(self, send: Send) -> None:
        self._send, self._pieces = send, Pieces()
        self._damage: Counter[Damage] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        self._damage += self._pieces.damage
        self._pieces = Pieces()

    def feed(self, data: bytes) -> None:
        self._send(self._pieces.feed(data))
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self.FLUSH_S, self._flush)

    def damage(self) -> Counter[Damage]:
        return self._damage + self._pieces.damage

    def _flush(self) -> None:
        self._timer = None
        self._send(self._pieces.flush())
