"""Pieces: whole packets, six at a time, whatever the cuts; what is not a packet is left out and counted."""

from __future__ import annotations

import random

import pytest

from gateway.video.damage import Damage
from gateway.video.ts import PACKET_SIZE, PIECE_SIZE, Pieces

RNG = random.Random(188)
STREAM = [b"\x47" + RNG.randbytes(PACKET_SIZE - 1) for _ in range(40)]


@pytest.mark.parametrize("size", [1, 7, PACKET_SIZE, 1000, PIECE_SIZE, 65536])
def test_pieces_are_the_stream(size):
    pieces, stream, out = Pieces(), b"".join(STREAM), []
    for at in range(0, len(stream), size):
        out += pieces.feed(stream[at : at + size])
    assert [len(piece) for piece in out] == [PIECE_SIZE] * 6
    rest = pieces.flush()
    assert [len(piece) for piece in rest] == [4 * PACKET_SIZE]
    assert b"".join(out + rest) == stream
    assert not pieces.damage
    assert pieces.flush() == []


def test_a_packet_that_is_not_complete_waits():
    pieces = Pieces()
    assert pieces.feed(STREAM[0] + STREAM[1][:100]) == []
    assert pieces.flush() == [STREAM[0]]
    pieces.feed(STREAM[1][100:])
    assert pieces.flush() == [STREAM[1]]


@pytest.mark.parametrize("rubbish", [b"\0", b"rubbish", b"\x47" * 3, bytes(PACKET_SIZE), bytes(5000)])
@pytest.mark.parametrize("at", [0, 1, 5])
def test_what_is_between_packets_is_left_out(rubbish, at):
    pieces = Pieces()
    out = pieces.feed(b"".join(STREAM[:at]) + rubbish + b"".join(STREAM[at:])) + pieces.flush()
    assert pieces.damage[Damage.NO_SYNC_BYTE]
    assert b"".join(out).endswith(b"".join(STREAM[at + 1 :]))
    assert set(map(len, out)) <= {PIECE_SIZE, *(n * PACKET_SIZE for n in range(6))}


def test_it_holds_less_than_a_piece():
    pieces = Pieces()
    for _ in range(100):
        pieces.feed(RNG.randbytes(1000))
        assert len(pieces._buffer) < PIECE_SIZE + PACKET_SIZE
