"""Vendor feed: the records by which a vendor's program (DJI PSDK, Parrot Olympe, an agency's own) hands over what it has.

What lives here: the form of a record. What must not: the socket, and what a vendor's software calls things.

The program connects to a socket of AF_UNIX and SOCK_SEQPACKET: one record is one packet, so no framing can be wrong.
It only sends. One program at a time; a second one is disconnected at once. A record that breaks a rule below ends the
connection, and the program may connect again. All numbers are little-endian, without padding (struct "<BBHIQ"):

    0   u8   kind     1 telemetry, 2 picture, 3 status
    1   u8   stream   0: the camera of this feed; others are refused
    2   u16  flags    0
    4   u32  number   of the record, from 0 on, in steps of 1, modulo 2^32: a gap is what the program had to drop
    8   u64  time     microseconds of a monotonic clock of the program's own
    16  ...  body     at most 65,536 bytes

    1 telemetry   u16 topic, then the topic's own bytes, at least 1
    2 picture     Annex B (H.264 or H.265, as `gives` says), cut anywhere; at least 1 byte
    3 status      UTF-8, one line of at most 200 bytes, for people: "waiting for the camera"

Topics are those of the vendor's software; this side counts them.
"""

from __future__ import annotations

import enum
import struct
from typing import NamedTuple

HEADER = struct.Struct("<BBHIQ")
TOPIC = struct.Struct("<H")
BODY_MAX = 65_536
RECORD_MAX = HEADER.size + BODY_MAX
STATUS_MAX = 200
NUMBERS = 1 << 32


class WrongRecord(Exception):
    """The message says which rule is broken."""


class Kind(enum.IntEnum):
    TELEMETRY = 1
    PICTURE = 2
    STATUS = 3


class Record(NamedTuple):
    """`time_us` is of the program's clock."""

    kind: Kind
    number: int
    time_us: int
    body: bytes


def parse(packet: bytes) -> Record:
    """WrongRecord for what breaks a rule."""
    if len(packet) < HEADER.size:
        raise WrongRecord(f"a record has at least {HEADER.size} bytes, and this one {len(packet)}")
    kind, stream, flags, number, time_us = HEADER.unpack_from(packet)
    if kind not in {*Kind}:
        raise WrongRecord(f"there is no record of kind {kind}")
    if stream or flags:
        raise WrongRecord(f"stream {stream} and flags {flags} must be 0")
    body = packet[HEADER.size :]
    if len(body) > BODY_MAX:
        raise WrongRecord(f"a body has at most {BODY_MAX} bytes, and this one {len(body)}")
    _check_body(Kind(kind), body)
    return Record(Kind(kind), number, time_us, body)


def _check_body(kind: Kind, body: bytes) -> None:
    if len(body) < (TOPIC.size + 1 if kind is Kind.TELEMETRY else 1):
        raise WrongRecord(f"the body of a {kind.name.lower()} record is too short")
    if kind is Kind.STATUS:
        if len(body) > STATUS_MAX:
            raise WrongRecord(f"a status has at most {STATUS_MAX} bytes, and this one {len(body)}")
        try:
            body.decode()
        except UnicodeDecodeError:
            raise WrongRecord("a status is not UTF-8") from None


def topic(record: Record) -> int:
    """Of a telemetry record."""
    found: int = TOPIC.unpack_from(record.body)[0]
    return found


def make(record: Record) -> bytes:
    return HEADER.pack(record.kind, 0, 0, record.number % NUMBERS, record.time_us) + record.body
