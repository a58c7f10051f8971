"""Length-prefixed NAL units, and the decoder configuration that precedes them (ISO 14496-15): as in FLV and MP4.

What lives here: the two configuration records, and the units of a picture. What must not: FLV itself.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from gateway.video.damage import Damage, Damaged
from gateway.video.nal import KINDS, UNITS_MAX, Codec, kind

LENGTH_SIZES = (1, 2, 4)
_SIZE = struct.Struct(">H")
_AVC_HEAD, _HEVC_HEAD = 5, 22  # bytes before the number of SPS, and before the number of arrays
_HEVC_VERSIONS = (0, 1)  # 0 was written while the standard was a draft


@dataclass(frozen=True, slots=True)
class Configuration:
    codec: Codec
    length_size: int
    sets: list[bytes]


class _Reader:
    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at

    def bytes(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        if len(taken) < size:
            raise Damaged(Damage.CONFIGURATION)
        self._at += size
        return taken

    def byte(self) -> int:
        return self.bytes(1)[0]

    def size(self) -> int:
        return int(_SIZE.unpack(self.bytes(_SIZE.size))[0])


def avc_configuration(data: bytes) -> Configuration:
    """AVCDecoderConfigurationRecord (section 5.3.3.1). What follows the sets is for decoders. Raises Damaged."""
    reader = _Reader(data, 0)
    head = reader.bytes(_AVC_HEAD)
    if head[0] != 1:
        raise Damaged(Damage.CONFIGURATION)
    sets = [reader.bytes(reader.size()) for _ in range(reader.byte() & 31)]
    sets += [reader.bytes(reader.size()) for _ in range(reader.byte())]
    return _configuration("h264", head[4], sets)


def hevc_configuration(data: bytes) -> Configuration:
    """HEVCDecoderConfigurationRecord (section 8.3.3.1). Raises Damaged."""
    reader = _Reader(data, 0)
    head = reader.bytes(_HEVC_HEAD)
    if head[0] not in _HEVC_VERSIONS:
        raise Damaged(Damage.CONFIGURATION)
    sets: list[bytes] = []
    for _ in range(reader.byte()):
        reader.byte()  # the type, which each unit has again
        sets += [reader.bytes(reader.size()) for _ in range(reader.size())]
        if len(sets) > UNITS_MAX:
            raise Damaged(Damage.CONFIGURATION)
    return _configuration("h265", head[-1], sets)


def _configuration(codec: Codec, length_byte: int, units: list[bytes]) -> Configuration:
    kinds = KINDS[codec]
    length_size = (length_byte & 3) + 1
    if length_size not in LENGTH_SIZES or any(len(unit) < kinds.header_size for unit in units):
        raise Damaged(Damage.CONFIGURATION)
    return Configuration(codec, length_size, [unit for unit in units if kind(codec, unit) in kinds.parameters])


def units(data: bytes, configuration: Configuration) -> list[bytes]:
    """The units of one picture, whose lengths have to fill it; empty ones are left out. Raises Damaged."""
    found: list[bytes] = []
    at, size, least = 0, configuration.length_size, KINDS[configuration.codec].header_size
    while at < len(data):
        end = at + size + int.from_bytes(data[at : at + size], "big")
        if end > len(data):
            raise Damaged(Damage.LENGTH)
        unit = data[at + size : end]
        at = end
        if not unit:
            continue
        if len(unit) < least:
            raise Damaged(Damage.UNIT_TOO_SHORT)
        found.append(unit)
        if len(found) > UNITS_MAX:
            raise Damaged(Damage.PICTURE_TOO_LARGE)
    return found
