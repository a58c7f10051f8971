from __future__ import annotations

import random

import pytest

from gateway.core import fragment
from gateway.core.wire import FRAGMENT_MAX, Kind, parse_control


@pytest.mark.parametrize("size", [1, 1180, 1181, 2360, 1180 * 16])
def test_any_order_and_repeats_make_the_message_again(size):
    rng = random.Random(size)
    message = rng.randbytes(size)
    datagrams = fragment.split(Kind.ANNOUNCEMENT, message)
    assert len(datagrams) == -(-size // FRAGMENT_MAX)
    reassembler, whole = fragment.Reassembler(), None
    for datagram in rng.sample(datagrams * 3, len(datagrams) * 3):
        header, part = parse_control(datagram)
        whole = reassembler.add(header, part) or whole
    assert whole == message


def test_a_message_too_large_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        fragment.split(Kind.ANNOUNCEMENT, bytes(1180 * 16 + 1))


def test_a_mixed_up_message_is_not_believed():
    one, two = (fragment.split(Kind.ANNOUNCEMENT, bytes([i]) * 2000) for i in range(2))
    reassembler = fragment.Reassembler()
    header, part = parse_control(one[0])
    reassembler.add(header, part)
    with pytest.raises(ValueError, match="does not match"):
        reassembler.add(parse_control(one[1])[0], parse_control(two[1])[1])


def test_every_cut_and_every_flipped_bit_is_accepted_or_refused():
    datagram = fragment.split(Kind.BEAT, b"some message")[0]
    for size in range(len(datagram)):
        parsed = parse_control(datagram[:size])
        assert (parsed is None) is (size <= 12)
    for bit in range(len(datagram) * 8):
        flipped = bytearray(datagram)
        flipped[bit // 8] ^= 1 << bit % 8
        parsed = parse_control(bytes(flipped))
        assert parsed is None or bit >= 8
