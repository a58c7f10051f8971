"""Whose order is looked into next. Sources are numbers, orders are paper; time is the test's."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from gateway.core import order_fragments
from gateway.core.order_intake import REFUSED_MAX, OrderIntake
from keys.order import VerifiedOrder, claimed_hash
from tests import agency

PAPER = agency.harbour().sign(agency.order(stations=agency.order().stations[:1], recording=()).payload())


def order(number: int) -> bytes:
    """A file of its own, with the name that its pieces say. No verifier would accept it."""
    return PAPER + number.to_bytes(4, "big")  # behind what is hashed


def pieces(data: bytes) -> list[bytes]:
    name = claimed_hash(data)
    assert name is not None
    return order_fragments.split(VerifiedOrder(agency.order(), name, 1, data))


def carry(intake: OrderIntake[int], source: int, number: int) -> None:
    for content in pieces(order(number)):
        intake.add(source, content)


def taken(intake: OrderIntake[int], begin: float, seconds: float) -> list[tuple[float, int, bytes]]:
    """(when, source, file) of what is looked into while somebody asks a hundred times a second."""
    found = []
    for step in range(round(seconds * 100)):
        now = begin + step / 100
        if looked := intake.pop(now):
            found.append((now, *looked))
    return found


@pytest.fixture
def intake() -> OrderIntake[int]:
    return OrderIntake()


def test_the_first_whole_order_is_taken_at_once(intake):
    assert intake.pop(0.0) is None
    carry(intake, 1, 1)
    assert intake.pop(0.0) == (1, order(1))
    assert intake.pop(100.0) is None


def test_a_source_is_looked_at_once_a_second_and_its_newest_order_waits(intake):
    for number in range(50):
        carry(intake, 1, number)
        looked = intake.pop(number / 100)
        assert looked == ((1, order(0)) if number == 0 else None)
    assert taken(intake, 0.5, 3.0) == [(1.0, 1, order(49))]


def test_nothing_that_waits_for_its_turn_is_lost(intake):
    for source in range(30):
        carry(intake, source, source)
    looked = taken(intake, 0.0, 4.0)
    assert [(source, data) for _, source, data in looked] == [(source, order(source)) for source in range(30)]
    assert all(0.1 <= round(after - before, 2) <= 0.12 for (before, *_), (after, *_) in itertools.pairwise(looked))


def test_one_source_cannot_starve_another(intake):
    """Fifteen flood with orders that are always new; a sixteenth carries one, once."""
    number, looked = 0, []
    for step in range(300):
        for source in range(15):
            number += 1
            carry(intake, source, number)
        if step == 100:
            carry(intake, 99, 0)
        looked += [(step, *found) for found in [intake.pop(step / 100)] if found]
    (genuine,) = [step for step, source, _ in looked if source == 99]
    assert genuine - 100 <= 160, "sixteen sources at ten a second"
    turns = [source for _, source, _ in looked if source != 99]
    assert turns[:25] == [*range(15), *range(10)], "in turn"


def test_what_was_refused_is_not_looked_into_again(intake):
    for step in range(1_000):
        carry(intake, step % 3, 7)
        assert (intake.pop(step * 1.0) is None) is (step > 0)


def test_what_waits_with_another_source_is_refused_with_it(intake):
    carry(intake, 1, 7)
    carry(intake, 2, 7)
    carry(intake, 3, 8)
    assert [data for _, _, data in taken(intake, 0.0, 5.0)] == [order(7), order(8)]


def test_a_refused_order_does_not_push_out_one_that_waits(intake):
    carry(intake, 1, 7)
    intake.pop(0.0)
    carry(intake, 1, 8)
    carry(intake, 1, 7)
    assert intake.pop(1.0) == (1, order(8))


def test_what_the_clock_or_the_disk_refused_may_come_again(intake):
    for now in (0.0, 1.0):
        carry(intake, 1, 7)
        assert intake.pop(now) == (1, order(7))
        intake.look_again(order(7))
    intake.look_again(b"never seen")


def test_another_order_in_force_is_another_judge(intake):
    carry(intake, 1, 7)
    intake.pop(0.0)
    intake.forget_refusals()
    carry(intake, 1, 7)
    assert intake.pop(1.0) == (1, order(7))


def test_the_last_64_refusals_are_remembered(intake):
    for number in range(REFUSED_MAX + 1):
        carry(intake, 1, number)
        intake.pop(float(number))
    carry(intake, 1, 1)
    assert intake.pop(1_000.0) is None
    carry(intake, 1, 0)
    assert intake.pop(1_000.0) == (1, order(0))


def test_a_refusal_that_is_needed_is_not_the_one_that_is_forgotten(intake):
    carry(intake, 1, 0)
    assert intake.pop(0.0) == (1, order(0))
    for number in range(1, 10 * REFUSED_MAX):
        carry(intake, 2, number)
        carry(intake, 1, 0)
        assert intake.pop(float(number)) == (2, order(number))


def test_sources_that_are_gone_are_let_go(intake):
    for source in (1, 2, 3):
        carry(intake, source, source)
    intake.keep([1, 3])
    assert [source for _, source, _ in taken(intake, 0.0, 5.0)] == [1, 3]


def test_pieces_of_sources_do_not_mix(intake):
    large = VerifiedOrder(agency.order(), b"", 1, PAPER + bytes(3_000))
    large = dataclasses.replace(large, order_hash=claimed_hash(large.raw))
    first, *others = order_fragments.split(large)
    intake.add(1, first)
    for content in others:
        intake.add(2, content)
    assert intake.pop(0.0) is None
    intake.add(2, first)
    assert intake.pop(0.0) == (2, large.raw)


def test_pieces_that_make_no_order_are_no_turn(intake):
    with pytest.raises(ValueError, match="name"):
        intake.add(1, bytes(16) + pieces(order(1))[0][16:])
    with pytest.raises(ValueError, match="no order"):
        intake.add(1, bytes(16) + b"\0\1" + b"rubbish")
    assert intake.pop(0.0) is None
