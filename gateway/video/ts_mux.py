"""MPEG-TS of one video stream: pictures with exact times, in a form that every program which writes films reads.

What lives here: packets, tables and the headers of pictures (ISO 13818-1 sections 2.4.3 and 2.4.4). What must not: files,
a look into pictures. A picture is one PES packet.
"""

from __future__ import annotations

import struct

from gateway.video.nal import Codec
from gateway.video.ts import PACKET_SIZE, SYNC

START_CODE = b"\0\0\0\1"
_TABLES_PID, _PMT_PID, _VIDEO_PID, _PROGRAM = 0, 0x1000, 0x100, 1
_STREAM_TYPES: dict[Codec, int] = {"h264": 0x1B, "h265": 0x24}
_HEAD = 4
_ROOM = PACKET_SIZE - _HEAD
_BEGINS, _PAYLOAD, _ADAPTATION = 0x40, 0x10, 0x20
_RANDOM_ACCESS, _PCR = 0x40, 0x10
_POLYNOMIAL = 0x04C11DB7
TICKS = 1 << 33  # of a time stamp


class TsMux:
    """Of one stream."""

    def __init__(self, codec: Codec) -> None:
        self._tables = (
            (_TABLES_PID, _section(0, struct.pack(">HH", _PROGRAM, 0xE000 | _PMT_PID))),
            (_PMT_PID, _section(2, _map(codec))),
        )
        self._counters = {_TABLES_PID: 0, _PMT_PID: 0, _VIDEO_PID: 0}

    def picture(self, data: bytes, key: bool, shown: int, decoded: int) -> bytes:
        """`data` in Annex B; the two times in ticks of 1/90,000 s, `decoded` not the later one."""
        tables = b"".join(self._table(pid, section) for pid, section in self._tables) if key else b""
        stamps = _stamp(0x30, shown) + _stamp(0x10, decoded)
        pes = b"\0\0\1\xe0\0\0\x80\xc0" + bytes([len(stamps)]) + stamps + data  # length 0: it ends where the next begins
        clock = decoded % TICKS << 15 | 0x7E00  # 33 bits, 6 reserved, an extension of 9 bits that is 0
        flags = bytes([_PCR | (_RANDOM_ACCESS if key else 0)]) + clock.to_bytes(6, "big")
        first, rest = pes[: _ROOM - 1 - len(flags)], pes[_ROOM - 1 - len(flags) :]
        whole = len(rest) - len(rest) % _ROOM
        packets = [tables, self._adapted(first, flags, _BEGINS)]
        packets += [self._head(_PAYLOAD) + rest[at : at + _ROOM] for at in range(0, whole, _ROOM)]
        if whole < len(rest):
            packets.append(self._adapted(rest[whole:], b"", 0))
        return b"".join(packets)

    def _table(self, pid: int, section: bytes) -> bytes:
        return self._head(_PAYLOAD, _BEGINS, pid) + (b"\0" + section).ljust(_ROOM, b"\xff")

    def _adapted(self, data: bytes, flags: bytes, begins: int) -> bytes:
        """A packet that is filled in front of `data`."""
        size = _ROOM - 1 - len(data)  # of the adaptation field behind its length
        field = flags.ljust(1, b"\0").ljust(size, b"\xff") if size else b""
        return self._head(_PAYLOAD | _ADAPTATION, begins) + bytes([size]) + field + data

    def _head(self, control: int, begins: int = 0, pid: int = _VIDEO_PID) -> bytes:
        counter = self._counters[pid]
        self._counters[pid] = (counter + 1) % 16
        return bytes((SYNC, begins | pid >> 8, pid & 0xFF, control | counter))


def _stamp(mark: int, tick: int) -> bytes:
    """33 bits in five bytes, with a one behind each part."""
    tick %= TICKS
    return bytes(
        (mark | tick >> 29 & 0x0E | 1, tick >> 22 & 0xFF, tick >> 14 & 0xFE | 1, tick >> 7 & 0xFF, tick << 1 & 0xFE | 1)
    )


def _map(codec: Codec) -> bytes:
    return struct.pack(">HHBHH", 0xE000 | _VIDEO_PID, 0xF000, _STREAM_TYPES[codec], 0xE000 | _VIDEO_PID, 0xF000)


def _section(table: int, content: bytes) -> bytes:
    body = struct.pack(">BHHBBB", table, 0xB000 | len(content) + 9, 1, 0xC1, 0, 0) + content
    return body + _crc(body).to_bytes(4, "big")


def _crc(data: bytes) -> int:
    """CRC_32 of a section (annex A)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ _POLYNOMIAL if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc
