"""RTP: the header of each packet (RFC 3550 section 5.1).

What lives here: the header. What must not: what a payload means (packetiser.py, depacketiser.py).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from gateway.video.damage import Damage, Damaged

CLOCK_HZ = 90_000  # of all video (RFC 3551 section 5)
PAYLOAD_TYPE = 96  # the first dynamic one (RFC 3551 section 6)
SEQUENCES, TIMESTAMPS = 1 << 16, 1 << 32

_FIXED = struct.Struct(">BBHII")  # V, P, X, CC; M, PT; sequence number; timestamp; SSRC
_EXTENSION = struct.Struct(">HH")
_VERSION, _PADDING, _EXTENDED, _SOURCES = 0x80, 0x20, 0x10, 0x0F
_MARKER = 0x80
HEADER_SIZE = _FIXED.size
WORD = 4


@dataclass(frozen=True, slots=True)
class Packet:
    """`marker` ends a picture. Sources that contributed (CSRC) and header extensions are skipped."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def make(packet: Packet) -> bytes:
    second = packet.payload_type | (_MARKER if packet.marker else 0)
    return _FIXED.pack(_VERSION, second, packet.sequence, packet.timestamp, packet.ssrc) + packet.payload


def parse(data: bytes) -> Packet:
    """Raises Damaged."""
    if len(data) < HEADER_SIZE:
        raise Damaged(Damage.RTP_TOO_SHORT)
    first, second, sequence, timestamp, ssrc = _FIXED.unpack_from(data)
    if first & 0xC0 != _VERSION:
        raise Damaged(Damage.RTP_VERSION)
    begin, end = HEADER_SIZE + WORD * (first & _SOURCES), len(data)
    if first & _EXTENDED:
        if end < begin + _EXTENSION.size:
            raise Damaged(Damage.RTP_TOO_SHORT)
        begin += _EXTENSION.size + WORD * _EXTENSION.unpack_from(data, begin)[1]
    if end < begin:
        raise Damaged(Damage.RTP_TOO_SHORT)
    if first & _PADDING:
        if not 0 < data[-1] <= end - begin:
            raise Damaged(Damage.RTP_PADDING)
        end -= data[-1]
    return Packet(second & ~_MARKER, bool(second & _MARKER), sequence, timestamp, ssrc, data[begin:end])
