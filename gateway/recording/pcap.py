"""pcap: the plaintext of a recording. SPEC.md section 8; draft-ietf-opsawg-pcap, LINKTYPE_IPV4, nanoseconds.

What lives here: one record, written and read. What must not: files, keys, what a record's content means. Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

FILE_HEADER = bytes.fromhex("4d3cb2a1 0200 0400 00000000 00000000 ffff0000 e4000000")
CONTENT_MAX = 65_507  # bytes: what a UDP datagram of IPv4 holds
_RECORD = struct.Struct("<IIII")  # seconds, nanoseconds, length, length of the original
_IPV4 = struct.Struct("!BBHIBBHII")  # ..., identification 0 and "do not fragment" as one, ...
_UDP = struct.Struct("!HHHH")
OVERHEAD = _RECORD.size + _IPV4.size + _UDP.size  # 44 bytes before each content
_IP_UDP = _IPV4.size + _UDP.size
_SECOND_NS = 1_000_000_000
_VERSION_IHL, _DF, _TTL, _PROTOCOL_UDP, _FROM, _TO = 0x45, 0x4000, 64, 17, 0xC0000201, 0xC0000202
_WORDS = (_VERSION_IHL << 8, _DF, _TTL << 8 | _PROTOCOL_UDP, _FROM >> 16, _FROM & 0xFFFF, _TO >> 16, _TO & 0xFFFF)


class Malformed(ValueError):
    """Bytes that are no record as section 8 has it."""


class Record(NamedTuple):
    """`time_ns` is since the session began; `port` names what `content` is (gateway.recording.group.Port)."""

    time_ns: int
    port: int
    content: bytes


def head(time_ns: int, port: int, size: int) -> bytes:
    """The 44 bytes before `size` bytes of content, at most CONTENT_MAX."""
    total = _IP_UDP + size
    ip = _IPV4.pack(_VERSION_IHL, 0, total, _DF, _TTL, _PROTOCOL_UDP, checksum(total), _FROM, _TO)
    return _RECORD.pack(*divmod(time_ns, _SECOND_NS), total, total) + ip + _UDP.pack(port, port, _UDP.size + size, 0)


def checksum(total: int) -> int:
    """Of the IPv4 header of a packet of this length (RFC 791); every other field is constant."""
    found = sum(_WORDS) + total
    found = (found & 0xFFFF) + (found >> 16)
    return ~((found & 0xFFFF) + (found >> 16)) & 0xFFFF


def read(data: bytes | memoryview, at: int = 0) -> Iterator[Record]:
    """The records from `at` on. A record that is cut at the end is left out; Malformed for anything else."""
    view = memoryview(data)
    while at + OVERHEAD <= len(view):
        seconds, nanoseconds, length, original = _RECORD.unpack_from(view, at)
        if not _IP_UDP <= length <= _IP_UDP + CONTENT_MAX or length != original or nanoseconds >= _SECOND_NS:
            raise Malformed(f"no record at byte {at}")
        (port, *_) = _UDP.unpack_from(view, at + _RECORD.size + _IPV4.size)
        time_ns, size = seconds * _SECOND_NS + nanoseconds, length - _IP_UDP
        if view[at : at + OVERHEAD] != head(time_ns, port, size):
            raise Malformed(f"the record at byte {at} has other headers")
        at += OVERHEAD
        if at + size > len(view):
            return
        yield Record(time_ns, port, bytes(view[at : at + size]))
        at += size
