"""Which of a station's commands come too late behind later ones: SPEC.md section 4.7."""

from __future__ import annotations

import random

from gateway.core.sequence import BEHIND_FOR_S, BEHIND_SEVERAL_FOR_S, SEVERAL_WITHIN_S, Place, Sequence, Trail


def test_a_trail_tells_whether_a_larger_value_is_older_than_an_age():
    trail: Trail[int] = Trail()
    assert not trail.is_behind(0, 0.1, 5.0)
    for value, now in ((3, 0.0), (2, 0.05), (5, 0.2), (9, 0.3)):
        trail.note(value, now)
    assert [trail.is_behind(value, 0.1, 0.3) for value in (2, 3, 4, 9)] == [True, False, False, False]
    assert [trail.is_behind(value, 0.1, 0.35) for value in (4, 5, 8)] == [True, False, False]
    assert [trail.is_behind(value, 0.1, 0.41) for value in (4, 5, 8, 9)] == [True, True, True, False]
    assert [trail.is_behind(value, 0.5, 0.51) for value in (2, 3)] == [True, False]


def test_a_trail_against_all_that_was_ever_noted():
    rng, trail, all_of_them, now = random.Random(1), Trail[int](), [], 0.0
    for _ in range(5_000):
        now += rng.choice((0.0, 0.001, 0.02, 0.3))
        value, age_s = rng.randrange(int(now * 10), int(now * 10) + 20), rng.choice((BEHIND_FOR_S, BEHIND_SEVERAL_FOR_S))
        assert trail.is_behind(value, age_s, now) == any(noted > value and now - at > age_s for at, noted in all_of_them)
        trail.note(value, now)
        all_of_them.append((now, value))
    assert len(trail._steps) <= 200


def test_a_trail_does_not_grow_beyond_half_a_second():
    trail: Trail[int] = Trail()
    for number in range(10_000):
        trail.note(number, number * 0.01)
    assert len(trail._steps) <= 52
    for number in range(10_000, 20_000):
        trail.note(number, 100.0)
    assert len(trail._steps) <= 52


def test_addresses_that_take_turns_are_several_and_one_alone_is_not_after_five_seconds():
    sequence, trail = Sequence(), Trail[tuple[int, int]]()
    ctr = 1

    def held_for(seconds: float, now: float, by: str) -> bool:
        nonlocal ctr
        assert sequence.takes(Place(1, 0, ctr + 1), trail, by, now)
        ctr += 2
        return sequence.takes(Place(1, 0, ctr - 2), trail, by, now + seconds)

    assert not held_for(0.2, 0.0, "one")
    assert held_for(0.2, 1.0, "other")
    assert held_for(0.4, 0.2 + SEVERAL_WITHIN_S - 0.5, "other")
    assert not held_for(0.2, 0.2 + SEVERAL_WITHIN_S, "other")
    assert held_for(0.2, 7.0, "one")
