"""Packetiser: a picture to RTP packets (H.264: RFC 6184, packetization-mode 1; H.265: RFC 7798, without DONL fields).

What lives here: single units, aggregates of small ones, fragments of large ones, and the parameter sets that precede each
key picture. What must not: sockets, clocks, and the choice of SSRC and first numbers, which are random (RFC 3550 section
5.1).
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator

from gateway.video import rtp
from gateway.video.damage import Damage
from gateway.video.nal import KINDS, AccessUnit, Codec, kind
from gateway.video.parameter_sets import ParameterSets

MTU = 1200
STAP_A, FU_A = 24, 28  # RFC 6184 table 1
AP, FU = 48, 49  # RFC 7798 section 4.4
FU_START, FU_END = 0x80, 0x40
LENGTH = struct.Struct(">H")


class Packetiser:
    """Of one stream. `mtu` is the size of the largest packet.

    `damage`  units that were left out
    """

    def __init__(self, codec: Codec, ssrc: int, first_sequence: int, mtu: int = MTU) -> None:
        self.damage: Counter[Damage] = Counter()
        self._codec: Codec = codec
        self._ssrc, self._sequence = ssrc, first_sequence % rtp.SEQUENCES
        self._room = mtu - rtp.HEADER_SIZE
        self._sets = ParameterSets(codec)

    def packets(self, unit: AccessUnit, timestamp: int) -> list[bytes]:
        """In the order of sending; the last has the marker. `timestamp`: when the picture is shown, in 1/90,000 s."""
        parts = list(self._payloads(self._sets.completed([nal for nal in unit.nals if self._carried(nal)])))
        return [self._packet(part, place == len(parts) - 1, timestamp) for place, part in enumerate(parts)]

    def _packet(self, payload: bytes, marker: bool, timestamp: int) -> bytes:
        sequence, self._sequence = self._sequence, (self._sequence + 1) % rtp.SEQUENCES
        return rtp.make(
            rtp.Packet(rtp.PAYLOAD_TYPE, marker, sequence, timestamp % rtp.TIMESTAMPS, self._ssrc, payload),
        )

    def _carried(self, nal: bytes) -> bool:
        kinds = KINDS[self._codec]
        if len(nal) < kinds.header_size:
            self.damage[Damage.UNIT_TOO_SHORT] += 1
            return False
        if kind(self._codec, nal) not in kinds.carried:
            self.damage[Damage.KIND_NOT_CARRIED] += 1
            return False
        return True

    def _payloads(self, nals: list[bytes]) -> Iterator[bytes]:
        """Units in a row that fit into one packet share it."""
        head = KINDS[self._codec].header_size
        group: list[bytes] = []
        size = head
        for nal in nals:
            if group and size + LENGTH.size + len(nal) > self._room:
                yield self._aggregate(group)
                group, size = [], head
            if len(nal) > self._room:
                yield from self._fragments(nal)
            else:
                group.append(nal)
                size += LENGTH.size + len(nal)
        if group:
            yield self._aggregate(group)

    def _aggregate(self, group: list[bytes]) -> bytes:
        """STAP-A (RFC 6184 section 5.7.1), AP (RFC 7798 section 4.4.2); a single unit is its own payload."""
        if len(group) == 1:
            return group[0]
        forbidden = max(nal[0] & 0x80 for nal in group)
        if self._codec == "h264":
            header = bytes((forbidden | max(nal[0] & 0x60 for nal in group) | STAP_A,))
        else:
            layer = min((nal[0] & 1) << 5 | nal[1] >> 3 for nal in group)
            temporal = min(nal[1] & 7 for nal in group)
            header = bytes((forbidden | AP << 1 | layer >> 5, layer << 3 & 0xF8 | temporal))
        return header + b"".join(LENGTH.pack(len(nal)) + nal for nal in group)

    def _fragments(self, nal: bytes) -> Iterator[bytes]:
        """FU-A (RFC 6184 section 5.8), FU (RFC 7798 section 4.4.3): the unit's header is in the fragments' headers."""
        head = KINDS[self._codec].header_size
        header = bytes((nal[0] & 0xE0 | FU_A,) if self._codec == "h264" else (nal[0] & 0x81 | FU << 1, nal[1]))
        which = kind(self._codec, nal)
        size = self._room - head - 1
        for at in range(head, len(nal), size):
            start = FU_START if at == head else 0
            end = FU_END if at + size >= len(nal) else 0
            yield header + bytes((start | end | which,)) + nal[at : at + size]
