from __future__ import annotations

import random

import pytest

from gateway.core import order_fragments
from gateway.core.order_fragments import HEAD_SIZE, PIECE_MAX, Gathering
from keys.order import VerifiedOrder, claimed_hash, issue_order
from tests import agency


def signed(**changes) -> VerifiedOrder:
    raw = issue_order(agency.order(**changes), [agency.harbour().signer])
    return VerifiedOrder(agency.order(**changes), claimed_hash(raw), 1, raw)


ORDER = signed(stations=tuple(agency.station(n) for n in range(1, 16)))
FRAGMENTS = order_fragments.split(ORDER)


def gathered(gathering: Gathering, fragments) -> list[bytes | None]:
    return [gathering.add(fragment) for fragment in fragments]


def test_the_form_is_that_of_the_specification():
    assert len(FRAGMENTS) > 1
    for index, fragment in enumerate(FRAGMENTS):
        assert fragment[:16] == ORDER.order_hash[:16]
        assert fragment[16:18] == bytes([index, len(FRAGMENTS)])
    assert [len(fragment) for fragment in FRAGMENTS[:-1]] == [HEAD_SIZE + PIECE_MAX] * (len(FRAGMENTS) - 1)
    assert b"".join(fragment[18:] for fragment in FRAGMENTS) == ORDER.raw


@pytest.mark.parametrize("seed", range(5))
def test_in_any_order_and_doubled_the_pieces_make_the_file(seed):
    rng = random.Random(seed)
    shuffled = rng.sample(FRAGMENTS, len(FRAGMENTS))
    assert gathered(Gathering(), [*shuffled[:-1], shuffled[0], shuffled[-1]])[-1] == ORDER.raw


def test_a_piece_of_another_order_begins_again():
    other = order_fragments.split(signed(serial=8, stations=ORDER.content.stations))
    gathering = Gathering()
    assert gathered(gathering, [*FRAGMENTS[:-1], other[0]]) == [None] * len(FRAGMENTS)
    assert gathering.add(FRAGMENTS[-1]) is None
    assert ORDER.raw in gathered(gathering, FRAGMENTS)


def test_a_piece_of_another_count_begins_again():
    gathering = Gathering()
    gathered(gathering, FRAGMENTS[:-1])
    assert gathering.add(FRAGMENTS[0][:17] + bytes([16]) + FRAGMENTS[0][18:]) is None
    assert gathering.add(FRAGMENTS[-1]) is None


def test_a_forged_piece_costs_one_round_and_no_more():
    gathering = Gathering()
    forged = FRAGMENTS[0][:-1] + bytes([FRAGMENTS[0][-1] ^ 1])
    with pytest.raises(ValueError, match="pieces make"):
        gathered(gathering, [forged, *FRAGMENTS[1:]])
    assert gathered(gathering, FRAGMENTS)[-1] == ORDER.raw


def test_a_right_order_under_a_wrong_name_is_refused():
    (fragment,) = order_fragments.split(signed(recording=(), stations=ORDER.content.stations[:1]))
    with pytest.raises(ValueError, match="another order than their name says"):
        Gathering().add(bytes(16) + fragment[16:])


def fragment(index: int, count: int, piece: bytes) -> bytes:
    return bytes(16) + bytes([index, count]) + piece


@pytest.mark.parametrize(
    "content",
    [
        b"",
        bytes(17),
        fragment(0, 1, b""),
        fragment(0, 0, b"x"),
        fragment(1, 1, b"x"),
        fragment(0, 17, bytes(PIECE_MAX)),
        fragment(0, 2, b"short and not the last"),
        fragment(0, 1, bytes(PIECE_MAX + 1)),
        fragment(0, 1, b"no order"),
    ],
    ids=range(9),
)
def test_rubbish_is_refused(content):
    with pytest.raises(ValueError, match="order"):
        Gathering().add(content)


def test_each_cut_and_each_flip_is_refused_or_harmless():
    (whole,) = order_fragments.split(signed(recording=(), stations=ORDER.content.stations[:1]))
    for content in (*(whole[:n] for n in range(len(whole))), *agency.flips(whole)):
        try:
            found = Gathering().add(content)
        except ValueError:
            continue
        assert found is None or claimed_hash(found)[:16] == content[:16]
