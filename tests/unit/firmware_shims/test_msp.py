"""Vectors: the wiki of MSP v2, and Betaflight 4.6 in simulation at a roll of 20 degrees."""

from __future__ import annotations

import pytest

from firmware_shims.msp import PAYLOAD_MAX, Parser, Reply, request
from tests.msp_peer import reply

ROLL_20 = bytes.fromhex("24 4d 3e 06 6c c8 00 00 00 00 00 a2")
ATTITUDE = Reply(108, bytes.fromhex("c80000000000"), refused=False)


@pytest.mark.parametrize(
    ("command", "frame"),
    [(108, "24 4d 3c 00 6c 6c"), (0x2002, "24 58 3c 00 02 20 00 00 b8"), (255, "24 58 3c 00 ff 00 00 00 e2")],
)
def test_requests(command: int, frame: str):
    assert request(command) == bytes.fromhex(frame)


def test_a_reply_of_betaflight_cut_at_each_byte():
    for at in range(len(ROLL_20) + 1):
        parser = Parser()
        assert parser.feed(ROLL_20[:at]) + parser.feed(ROLL_20[at:]) == [ATTITUDE]
        assert parser.skipped_bytes == 0


@pytest.mark.parametrize("how", [{}, {"version2": True}, {"inside": True}], ids=["1", "2", "2 inside 1"])
@pytest.mark.parametrize("payload", [b"", b"$M>", bytes(200)], ids=["empty", "a start inside", "long"])
def test_both_versions_between_noise(how: dict[str, bool], payload: bytes):
    parser = Parser()
    frames = reply(3, payload, **how) + b"$" + reply(4, payload, b"!", **how) + b"noise"
    assert parser.feed(frames) == [Reply(3, payload, refused=False), Reply(4, payload, refused=True)]
    assert parser.skipped_bytes == len(b"$noise")


def test_every_flipped_bit_is_noise():
    for frame in (ROLL_20, reply(0x2002, b"payload"), reply(0x2002, b"payload", inside=True)):
        for bit in range(8 * len(frame)):
            flipped = bytearray(frame)
            flipped[bit // 8] ^= 1 << bit % 8
            parser = Parser()
            found = parser.feed(bytes(flipped))
            is_sign = bit // 8 == 2  # the direction is not covered: > and ! do not differ by one bit
            assert found == [], (bit, is_sign)


def test_an_echo_of_our_own_requests_is_noise():
    parser = Parser()
    assert parser.feed(request(108) + ROLL_20 + request(0x2002)) == [ATTITUDE]
    assert parser.skipped_bytes == len(request(108) + request(0x2002))


def test_noise_that_claims_to_be_long_holds_up_nothing():
    """A false beginning waits for at most a payload."""
    too_long = b"$X>" + b"\0\x6c\0" + (PAYLOAD_MAX + 1).to_bytes(2, "little")
    parser = Parser()
    assert parser.feed(too_long + ROLL_20) == [ATTITUDE]
    longest = b"$X>" + b"\0\x6c\0" + PAYLOAD_MAX.to_bytes(2, "little")
    parser = Parser()
    found = parser.feed(longest)
    for _ in range(PAYLOAD_MAX // len(ROLL_20) + 1):
        found += parser.feed(ROLL_20)
    assert len(found) == PAYLOAD_MAX // len(ROLL_20) + 1


def test_a_line_that_was_closed_inside_a_reply():
    parser = Parser()
    parser.feed(ROLL_20[:5])
    parser.reset()
    assert parser.feed(ROLL_20) == [ATTITUDE]
    assert parser.skipped_bytes == 5
