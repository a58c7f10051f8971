from __future__ import annotations

import random

import pytest
from pymavlink.dialects.v20 import common

from firmware_shims import mavlink
from firmware_shims.definitions import NUMBER_OF
from firmware_shims.sender import Sender


def test_the_same_bytes_as_pymavlink():
    rng, ours, theirs = random.Random(1), Sender(7, 191), common.MAVLink(None, 7, 191)
    for _ in range(600):
        values = [rng.choice([0.0, 1.5, -2.0]) for _ in range(7)]
        message = common.MAVLink_command_long_message(7, rng.randrange(2), rng.randrange(600), 0, *values)
        expected = bytes(message.pack(theirs))
        theirs.seq = (theirs.seq + 1) % 256
        assert ours.frame(NUMBER_OF["COMMAND_LONG"], mavlink.payload(expected)) == expected


def test_the_first_byte_of_a_payload_is_kept():
    frame = Sender(1, 1).frame(NUMBER_OF["HEARTBEAT"], bytes(9))
    assert (frame[1], mavlink.payload(frame)) == (1, b"\0")
    assert mavlink.Framer().feed(frame) == [frame]


def test_a_payload_longer_than_its_definition():
    with pytest.raises(ValueError, match="HEARTBEAT has at most 9 bytes, and not 10"):
        Sender(1, 1).frame(NUMBER_OF["HEARTBEAT"], b"1234567890")
