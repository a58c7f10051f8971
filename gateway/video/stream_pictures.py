"""Stream pictures: the pictures of a stream of datagrams whatever its form is, with the times at which they are shown.

What lives here: one door to the three parsers. What must not: files; what is done with pictures.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from gateway.video import rtp, ts_demux
from gateway.video.annexb import Splitter
from gateway.video.damage import Damage, Damaged
from gateway.video.depacketiser import Depacketiser
from gateway.video.nal import AccessUnit, Codec
from gateway.video.recognise import Content, Form
from gateway.video.timeline import Timeline, ticks
from gateway.video.ts_demux import Timed, TsDemux

SECOND_NS = 1_000_000_000


class Picture(NamedTuple):
    """`arrived_ns`: of its first datagram; `shown`: a tick of the same clock (timeline.py)."""

    unit: AccessUnit
    arrived_ns: int
    shown: int


class StreamPictures:
    """Of one stream. `form` is not UNKNOWN. Datagrams come in order, their times never go back.

    `lost`    packets that did not come, as far as the form tells
    `damage`  what was left out
    """

    def __init__(self, form: Form) -> None:
        self._form = form
        codec = form.content.codec
        self._rtp = Depacketiser(codec, form.payload_type) if codec and form.payload_type is not None else None
        self._annex_b = Splitter(codec) if codec and form.payload_type is None else None
        self._ts = TsDemux() if form.content is Content.MPEG_TS else None
        self._timeline = Timeline(ts_demux.STAMPS if self._ts else rtp.TIMESTAMPS)
        self._damage: Counter[Damage] = Counter()  # of the RTP header before MPEG-TS

    @property
    def codec(self) -> Codec | None:
        """None as long as the tables of MPEG-TS did not tell."""
        return self._ts.codec if self._ts else self._form.content.codec

    @property
    def lost(self) -> int:
        return self._rtp.lost if self._rtp else self._ts.lost if self._ts else 0

    @property
    def damage(self) -> Counter[Damage]:
        parser = self._rtp or self._annex_b or self._ts
        return self._damage + (parser.damage if parser else Counter())

    @property
    def restarts(self) -> int:
        """How often the encoder's clock began again."""
        return self._timeline.restarts

    def feed(self, datagram: bytes, time_ns: int) -> list[Picture]:
        """The pictures that are complete now."""
        now = time_ns / SECOND_NS
        if self._rtp:
            return [self._timed(unit, timestamp) for unit, timestamp in self._rtp.feed(datagram, now)]
        if self._annex_b:
            return [self._timed(unit, None) for unit in self._annex_b.feed(datagram, now)]
        return self._from_ts(self._ts.feed(self.content(datagram), now)) if self._ts else []

    def flush(self) -> list[Picture]:
        """The stream has ended."""
        if self._rtp:
            return [self._timed(unit, timestamp) for unit, timestamp in self._rtp.flush()]
        if self._annex_b:
            return [self._timed(unit, None) for unit in self._annex_b.flush()]
        return self._from_ts(self._ts.flush()) if self._ts else []

    def content(self, datagram: bytes) -> bytes:
        """Without the RTP header in front of MPEG-TS (RFC 2250); empty if that cannot be read."""
        if self._form.payload_type is None:
            return datagram
        try:
            packet = rtp.parse(datagram)
        except Damaged as error:
            self._damage[error.damage] += 1
            return b""
        return packet.payload if packet.payload_type == self._form.payload_type else b""

    def _from_ts(self, found: list[Timed]) -> list[Picture]:
        return [self._timed(timed.unit, timed.stamp) for timed in found]

    def _timed(self, unit: AccessUnit, timestamp: int | None) -> Picture:
        arrived_ns = round(unit.time * SECOND_NS)
        arrived = ticks(arrived_ns)
        return Picture(unit, arrived_ns, arrived if timestamp is None else self._timeline.shown(timestamp, arrived))
