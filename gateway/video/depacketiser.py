"""Depacketiser: RTP packets to pictures (RFC 6184, RFC 7798), for a program that looks into a stream.

What lives here: the reverse of packetiser.py, for the packets of any sender that keeps decoding order. What must not: a
wait for packets that are late. Packets come in order; one that comes after a later one is counted and left out, unless its
successor comes next: then the sender has started again (RFC 3550 appendix A.1).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gateway.video import rtp
from gateway.video.damage import Damage, Damaged
from gateway.video.nal import KINDS, PICTURE_MAX, UNITS_MAX, AccessUnit, Codec, is_key, kind
from gateway.video.packetiser import AP, FU, FU_A, FU_END, FU_START, LENGTH, STAP_A

BEHIND = rtp.SEQUENCES // 2
MISORDER_MAX = 100  # RFC 3550 appendix A.1
RESERVED = 0x20  # of a fragment's header in H.264 (RFC 6184 section 5.8)


class Depacketiser:
    """Of one stream: pictures with their RTP timestamps. A new SSRC begins a new stream.

    `lost`    packets that did not come
    `damage`  what was left out
    """

    def __init__(self, codec: Codec, payload_type: int = rtp.PAYLOAD_TYPE) -> None:
        self.lost = 0
        self.damage: Counter[Damage] = Counter()
        self._codec: Codec = codec
        self._type = payload_type
        self._ssrc: int | None = None
        self._next = 0
        self._next_if_restarted: int | None = None
        self._timestamp = 0
        self._begin(0.0)

    def feed(self, packet: bytes, now: float) -> list[tuple[AccessUnit, int]]:
        """The pictures that are complete now, each with its RTP timestamp; one that lost a unit comes without it."""
        try:
            return self._add(rtp.parse(packet), now)
        except Damaged as error:
            self.damage[error.damage] += 1
            return []

    def flush(self) -> list[tuple[AccessUnit, int]]:
        """The stream has ended: the picture in hand, as far as it came."""
        return self._complete()

    def _add(self, packet: rtp.Packet, now: float) -> list[tuple[AccessUnit, int]]:
        if packet.payload_type != self._type:
            raise Damaged(Damage.RTP_TYPE)
        out = self._follow(packet, now)
        try:
            for unit in self._units_of(packet.payload):
                self._append(unit)
        except Damaged as error:
            self.damage[error.damage] += 1
        if packet.marker:
            out += self._complete()
        return out

    def _follow(self, packet: rtp.Packet, now: float) -> list[tuple[AccessUnit, int]]:
        if packet.ssrc != self._ssrc:
            self._ssrc, self._next, self._timestamp = packet.ssrc, packet.sequence, packet.timestamp
            self._begin(now)
        missing = (packet.sequence - self._next) % rtp.SEQUENCES
        after = (packet.sequence + 1) % rtp.SEQUENCES
        if missing >= BEHIND:
            self._check_restart(rtp.SEQUENCES - missing, packet.sequence)
            self._lose_fragment()
            missing = 0
        self._next, self._next_if_restarted = after, None
        if missing:
            self.lost += missing
            self._lose_fragment()
        out = self._complete() if packet.timestamp != self._timestamp else []
        if not self._units and self._fragment is None:
            self._begin(now)
        self._timestamp = packet.timestamp
        return out

    def _check_restart(self, behind: int, sequence: int) -> None:
        """Raises Damaged for a packet that is only late (RFC 3550 appendix A.1)."""
        if behind > MISORDER_MAX and sequence == self._next_if_restarted:
            return
        self._next_if_restarted = (sequence + 1) % rtp.SEQUENCES
        raise Damaged(Damage.RTP_LATE)

    def _begin(self, now: float) -> None:
        self._units: list[bytes] = []
        self._size = 0
        self._fragment: bytearray | None = None
        self._time = now

    def _complete(self) -> list[tuple[AccessUnit, int]]:
        """The marker was there, or the timestamp is a new one (RFC 6184 section 5.1)."""
        self._lose_fragment()
        units, self._units, self._size = self._units, [], 0
        if not units:
            return []
        return [(AccessUnit(units, is_key(self._codec, units), self._time, self._codec), self._timestamp)]

    def _lose_fragment(self) -> None:
        if self._fragment is not None:
            self._fragment = None
            self.damage[Damage.FRAGMENT_LOST] += 1

    def _append(self, unit: bytes) -> None:
        if len(self._units) == UNITS_MAX or self._size + len(unit) > PICTURE_MAX:
            raise Damaged(Damage.PICTURE_TOO_LARGE)
        self._units.append(unit)
        self._size += len(unit)

    def _units_of(self, payload: bytes) -> Iterator[bytes]:
        kinds = KINDS[self._codec]
        if len(payload) <= kinds.header_size:
            raise Damaged(Damage.RTP_EMPTY)
        which = kind(self._codec, payload)
        if which == (FU_A if self._codec == "h264" else FU):
            yield from self._fragment_of(payload)
            return
        self._lose_fragment()
        if which == (STAP_A if self._codec == "h264" else AP):
            yield from _split(payload[kinds.header_size :], self._codec)
        else:
            yield _single(payload, self._codec)

    def _fragment_of(self, payload: bytes) -> Iterator[bytes]:
        head = KINDS[self._codec].header_size
        flags = payload[head]
        start, end = flags & FU_START, flags & FU_END
        which = flags & (31 if self._codec == "h264" else 63)
        wrong = (start and end) or (self._codec == "h264" and flags & RESERVED) or len(payload) == head + 1
        if wrong or which not in KINDS[self._codec].carried:
            self._lose_fragment()
            raise Damaged(Damage.FRAGMENT)
        if start:
            self._lose_fragment()
            if self._codec == "h264":
                self._fragment = bytearray((payload[0] & 0xE0 | which,))
            else:
                self._fragment = bytearray((payload[0] & 0x81 | which << 1, payload[1]))
        if self._fragment is None:
            raise Damaged(Damage.FRAGMENT_LOST)
        self._fragment += payload[head + 1 :]
        if len(self._fragment) > PICTURE_MAX:
            self._fragment = None
            raise Damaged(Damage.UNIT_TOO_LONG)
        if end:
            unit, self._fragment = bytes(self._fragment), None
            yield unit


def _single(unit: bytes, codec: Codec) -> bytes:
    kinds = KINDS[codec]
    if len(unit) <= kinds.header_size:
        raise Damaged(Damage.UNIT_TOO_SHORT)
    which = kind(codec, unit)
    if which not in kinds.carried:
        raise Damaged(Damage.KIND_NOT_CARRIED)
    return unit


def _split(rest: bytes, codec: Codec) -> Iterator[bytes]:
    """The units of an aggregate; their lengths have to fill it."""
    while rest:
        if len(rest) < LENGTH.size:
            raise Damaged(Damage.AGGREGATE)
        size = LENGTH.unpack_from(rest)[0]
        unit, rest = rest[LENGTH.size : LENGTH.size + size], rest[LENGTH.size + size :]
        if len(unit) < size:
            raise Damaged(Damage.AGGREGATE)
        yield _single(unit, codec)
