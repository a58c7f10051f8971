"""The records of a vendor's program."""

from __future__ import annotations

import pytest

from firmware_shims import vendor_feed
from firmware_shims.vendor_feed import BODY_MAX, HEADER, STATUS_MAX, Kind, Record, WrongRecord, make, parse

PICTURE = Record(Kind.PICTURE, 7, 1_000_000, b"\0\0\0\1\x65picture")


def test_the_bytes_are_those_of_the_specification():
    assert make(PICTURE) == bytes.fromhex("020000000700000040420f0000000000") + PICTURE.body
    assert HEADER.size == 16


@pytest.mark.parametrize(
    "record",
    [
        PICTURE,
        Record(Kind.PICTURE, 0, 0, b"x" * BODY_MAX),
        Record(Kind.STATUS, 2**32 - 1, 2**64 - 1, "waits for the camera: 3 °C".encode()),
        Record(Kind.TELEMETRY, 1, 2, b"\x06\x00" + bytes(16)),
    ],
)
def test_what_is_made_is_read(record):
    assert parse(make(record)) == record


def test_the_topic_of_telemetry():
    assert vendor_feed.topic(Record(Kind.TELEMETRY, 0, 0, b"\x06\x01\x00")) == 0x106


@pytest.mark.parametrize(
    ("packet", "said"),
    [
        (b"", "at least 16 bytes, and this one 0"),
        (make(PICTURE)[:15], "at least 16 bytes, and this one 15"),
        (HEADER.pack(4, 0, 0, 0, 0) + b"x", "no record of kind 4"),
        (HEADER.pack(0, 0, 0, 0, 0) + b"x", "no record of kind 0"),
        (HEADER.pack(2, 1, 0, 0, 0) + b"x", "stream 1 and flags 0 must be 0"),
        (HEADER.pack(2, 0, 1, 0, 0) + b"x", "stream 0 and flags 1 must be 0"),
        (HEADER.pack(2, 0, 0, 0, 0), "body of a picture record is too short"),
        (HEADER.pack(1, 0, 0, 0, 0) + b"xy", "body of a telemetry record is too short"),
        (HEADER.pack(2, 0, 0, 0, 0) + b"x" * (BODY_MAX + 1), "at most 65536 bytes, and this one 65537"),
        (HEADER.pack(3, 0, 0, 0, 0) + b"x" * (STATUS_MAX + 1), "at most 200 bytes, and this one 201"),
        (HEADER.pack(3, 0, 0, 0, 0) + b"\xff", "not UTF-8"),
    ],
)
def test_a_rule_that_is_broken_is_named(packet, said):
    with pytest.raises(WrongRecord, match=said):
        parse(packet)
