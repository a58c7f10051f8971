"""Recognise: what a stream of datagrams is, from its first ones; nothing else says so.

What lives here: RTP with H.264, H.265 or MPEG-TS in it, MPEG-TS alone, and Annex B alone. What must not: a decision by one
datagram; most of them decide. A description (sdp.py) is better, where there is one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from gateway.video import rtp
from gateway.video.annexb import START_CODE
from gateway.video.damage import Damaged
from gateway.video.nal import Codec, kind
from gateway.video.packetiser import AP, FU, FU_A, STAP_A
from gateway.video.ts import PACKET_SIZE, SYNC

_H264 = frozenset((1, 5, 6, 7, 8, 9, STAP_A, FU_A))  # what encoders send; the others are what H.265 looks like
_H265 = frozenset((*range(10), *range(16, 22), *range(32, 36), 39, 40, AP, FU))
_FORBIDDEN, _LAYER, _TEMPORAL = 0x80, 0x81, range(1, 8)
_RTCP = range(72, 77)  # the payload types that RTCP packets of the same port seem to have (RFC 5761 section 4)


class Content(Enum):
    """What the datagrams carry, without the RTP header if they have one. The value is the name of the format."""

    H264 = "H.264"
    H265 = "H.265"
    MPEG_TS = "MPEG-TS"
    UNKNOWN = "an unknown format"

    @property
    def codec(self) -> Codec | None:
        """None if it is not NAL units."""
        return _CODECS.get(self)


_CODECS: dict[Content, Codec] = {Content.H264: "h264", Content.H265: "h265"}


@dataclass(frozen=True, slots=True)
class Form:
    """`payload_type` of RTP; None if the datagrams are not RTP."""

    content: Content
    payload_type: int | None = None


def recognise(datagrams: Iterable[bytes]) -> Form:
    """The form of at least half of these; some hundred are enough. Noise has any form now and then."""
    found = Counter(form for datagram in datagrams if (form := _form(datagram)) is not None)
    known = [(form, count) for form, count in found.most_common() if form.content is not Content.UNKNOWN]
    if known and 2 * known[0][1] >= found.total():
        return known[0][0]
    return next((form for form in found if form.content is Content.UNKNOWN), Form(Content.UNKNOWN))


def _form(datagram: bytes) -> Form | None:
    """None for what does not tell."""
    if _is_ts(datagram):
        return Form(Content.MPEG_TS)
    if datagram.startswith((START_CODE, b"\0" + START_CODE)):
        return _annex_b(datagram)
    try:
        packet = rtp.parse(datagram)
    except Damaged:
        return Form(Content.UNKNOWN)
    if packet.payload_type in _RTCP:
        return None
    if _is_ts(packet.payload):
        return Form(Content.MPEG_TS, packet.payload_type)
    return Form(_nal(packet.payload), packet.payload_type)


def _is_ts(data: bytes) -> bool:
    return len(data) >= PACKET_SIZE and not len(data) % PACKET_SIZE and set(data[::PACKET_SIZE]) == {SYNC}


def _annex_b(datagram: bytes) -> Form:
    return Form(_nal(datagram[datagram.index(START_CODE) + len(START_CODE) :]))


def _nal(unit: bytes) -> Content:
    """The header of H.265 has a layer, nearly always 0, and a temporal id that is never 0 (section 7.4.2.2)."""
    if len(unit) > 1 and not unit[0] & _LAYER and unit[1] in _TEMPORAL and kind("h265", unit) in _H265:
        return Content.H265
    if len(unit) > 1 and not unit[0] & _FORBIDDEN and kind("h264", unit) in _H264:
        return Content.H264
    return Content.UNKNOWN
