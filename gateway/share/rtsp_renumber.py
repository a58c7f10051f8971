"""RTSP renumbering: one RTP source for the readers even if its sender begins again (RFC 3550 section 5.1).

What lives here: SSRC, sequence numbers and timestamps of a stream that goes on when the aircraft, its encoder or this
ground begins again: players take a new SSRC for a second stream, and stop. What is missing between packets stays missing.
What must not: payloads, which pass untouched.
"""

from __future__ import annotations

import struct

from gateway.video.rtp import CLOCK_HZ, HEADER_SIZE, SEQUENCES, TIMESTAMPS

_HEAD = struct.Struct(">BBHII")
_VERSION, _VERSION_BITS, _MARKER = 0x80, 0xC0, 0x80


class Renumbered:
    """`ssrc`, `sequence` (of the first packet) and `timestamp` are random; `payload_type` is that of the description."""

    def __init__(self, ssrc: int, sequence: int, timestamp: int, payload_type: int) -> None:
        self.ssrc, self.payload_type = ssrc, payload_type
        self.next = sequence % SEQUENCES
        self.timestamp = timestamp % TIMESTAMPS  # of the last packet
        self._source: tuple[object, int] | None = None  # and its SSRC
        self._add_sequence = self._add_timestamp = 0
        self._arrived: float | None = None  # of the last packet

    def packet(self, datagram: bytes, source: object, arrived: float) -> bytes:
        """A whole RTP packet of `source` (an aircraft's session), which came at this time in seconds."""
        first, second, sequence, timestamp, ssrc = _HEAD.unpack_from(datagram)
        if (source, ssrc) != self._source:
            self._source = source, ssrc
            self._add_sequence = self.next - sequence
            self._add_timestamp = self._elapsed(arrived) - timestamp
        sequence = (sequence + self._add_sequence) % SEQUENCES
        self._note(sequence, (timestamp + self._add_timestamp) % TIMESTAMPS, arrived)
        head = _HEAD.pack(first, second & _MARKER | self.payload_type, sequence, self.timestamp, self.ssrc)
        return head + datagram[HEADER_SIZE:]

    def wrapped(self, payload: bytes, arrived: float) -> bytes:
        """A packet for a payload that came without a header; its timestamp is when it came (RFC 2250 section 2)."""
        sequence, timestamp = self.next, self._elapsed(arrived)
        self._source = None
        self._note(sequence, timestamp, arrived)
        return _HEAD.pack(_VERSION, self.payload_type, sequence, timestamp, self.ssrc) + payload

    def _note(self, sequence: int, timestamp: int, arrived: float) -> None:
        self.next, self.timestamp, self._arrived = (sequence + 1) % SEQUENCES, timestamp, arrived

    def _elapsed(self, arrived: float) -> int:
        """The timestamp of now, counted from the last packet."""
        since = 0.0 if self._arrived is None else max(0.0, arrived - self._arrived)
        return (self.timestamp + round(since * CLOCK_HZ)) % TIMESTAMPS


def is_rtp(datagram: bytes, payload_type: int) -> bool:
    """Whether it is a packet of this type; a stream may have sound, or reports, at the same port."""
    return (
        len(datagram) > HEADER_SIZE and datagram[0] & _VERSION_BITS == _VERSION and datagram[1] & ~_MARKER == payload_type
    )


def retimed(packet: bytes, timestamp: int) -> bytes:
    """The same packet, shown at another time."""
    return packet[:4] + (timestamp % TIMESTAMPS).to_bytes(4, "big") + packet[8:]
