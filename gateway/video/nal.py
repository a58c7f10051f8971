"""NAL units: what the gateway has to know of H.264 and H.265 to cut a stream into pictures and to send them as RTP.

What lives here: the unit types, and where a picture begins. What must not: a look into the picture itself. Units are
bytes without start code or length, emulation prevention bytes included (H.264 section 7.3.1, H.265 section 7.3.1.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Codec = Literal["h264", "h265"]

UNIT_MAX = 4 << 20  # bytes; a key picture of 4K at 100 Mbit/s has less than half of it
PICTURE_MAX = 8 << 20  # bytes of all its units
UNITS_MAX = 4096  # in one picture; 3 MB in slices of the size of a datagram are fewer
PEEK_SIZE = 8  # bytes of a unit that tell whether it begins a picture


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One picture: its NAL units in decoding order, with the parameter sets and messages that precede it.

    `key`    a decoder can begin here, if it has the parameter sets
    `time`   seconds of the caller's clock at which its first slice arrived
    """

    nals: list[bytes]
    key: bool
    time: float
    codec: Codec


@dataclass(frozen=True, slots=True)
class Kinds:
    """Unit types of one codec.

    `before`      never follow a slice of the same picture (H.264 section 7.4.1.2.3, H.265 section 7.4.2.4.4)
    `parameters`  parameter sets, in the order in which a decoder needs them
    `carried`     may be in a packet; RTP has its own use for the other types (RFC 6184 table 1, RFC 7798 section 4.4)
    """

    header_size: int
    slices: frozenset[int]
    keys: frozenset[int]
    before: frozenset[int]
    parameters: tuple[int, ...]
    delimiter: int  # the access unit delimiter
    carried: frozenset[int]


KINDS: Mapping[Codec, Kinds] = {
    "h264": Kinds(
        header_size=1,
        slices=frozenset((1, 2, 5)),
        keys=frozenset((5,)),
        # 14, the prefix of scalable coding, precedes each slice and not only the first.
        before=frozenset((6, 7, 8, 9, 15, 16, 17, 18)),
        parameters=(7, 8),
        delimiter=9,
        carried=frozenset(range(1, 24)),
    ),
    "h265": Kinds(
        header_size=2,
        slices=frozenset((*range(10), *range(16, 22))),
        keys=frozenset(range(16, 22)),
        before=frozenset((32, 33, 34, 35, 39, *range(41, 45), *range(48, 56))),
        parameters=(32, 33, 34),
        delimiter=35,
        carried=frozenset(range(48)),
    ),
}


def kind(codec: Codec, unit: bytes | bytearray) -> int:
    """nal_unit_type; `unit` has at least one byte."""
    return unit[0] & 31 if codec == "h264" else unit[0] >> 1 & 63


def is_key(codec: Codec, units: Sequence[bytes]) -> bool:
    """An IDR picture (H.264), or one at which random access is possible (H.265: IRAP)."""
    keys = KINDS[codec].keys
    return any(kind(codec, unit) in keys for unit in units)


class Pictures:
    """Tells from the beginning of each unit whether a new picture begins with it.

    `in_picture`  a slice of the current picture was there
    `resumed`     the last unit is a slice of the picture that `end` had called complete
    """

    __slots__ = ("_codec", "_ended", "_kinds", "_place", "in_picture", "resumed")

    def __init__(self, codec: Codec) -> None:
        self._codec, self._kinds = codec, KINDS[codec]
        self._place = 0  # of the last slice: its first macroblock
        self._ended = False
        self.in_picture = self.resumed = False

    def begins(self, unit: bytes | bytearray) -> bool:
        """Call it once for each unit, in order; the first `PEEK_SIZE` bytes are enough.

        A picture of which the first slice is lost still begins where the places of slices start again (H.264). H.265
        marks only the first slice, so there the others are then joined to the picture before.
        """
        self.resumed = False
        found = kind(self._codec, unit)
        if found in self._kinds.slices:
            return self._slice(unit)
        if found not in self._kinds.before:
            return False
        begins, self.in_picture, self._ended = self.in_picture, False, False
        return begins

    def end(self) -> None:
        """The picture seems to be complete, whatever comes next."""
        self.in_picture, self._ended = False, True

    def _slice(self, unit: bytes | bytearray) -> bool:
        if self._codec == "h264":
            place = first_macroblock(unit)
            first = place <= self._place
            self._place = place
        else:
            # first_slice_segment_in_pic_flag; a picture of another layer belongs to the same access unit
            layer = (unit[0] & 1) << 5 | unit[1] >> 3
            first = layer == 0 and bool(unit[2:3] >= b"\x80")
        self.resumed = self._ended and not first
        begins, self.in_picture, self._ended = self.in_picture and first, True, False
        return begins


def first_macroblock(unit: bytes | bytearray) -> int:
    """first_mb_in_slice (H.264 section 7.3.3), an Exp-Golomb code (section 9.1) that follows the unit's header.

    A code that ends within `PEEK_SIZE` bytes is read; a longer one, which no level allows, counts as the largest.
    """
    bits = int.from_bytes(bytes(unit[1:PEEK_SIZE]).ljust(PEEK_SIZE - 1, b"\0"), "big")
    width = 8 * (PEEK_SIZE - 1)
    zeros = width - bits.bit_length()
    if 2 * zeros + 1 > width:
        return 1 << width
    return (bits >> width - 2 * zeros - 1) - 1
