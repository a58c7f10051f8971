"""Which of a station's commands come too late behind later ones: SPEC.md section 4.7."""

from __future__ import annotations

import random

from gateway.batch import AGED_S
from gateway.core.air.command_order import (
    BEHIND_FOR_S,
    BEHIND_SEVERAL_FOR_S,
    SEVERAL_WITHIN_S,
    Came,
    CommandOrder,
    Place,
    Trail,
)


class Ground:
    """One start of a ground, whose commands all echo one beat and are numbered by their counters."""

    def __init__(self) -> None:
        self.sequence, self.trail = CommandOrder(), Trail[tuple[int, int]]()

    def read(self, *commands: tuple[int, float], now: float, by: str = "radio") -> list[int]:
        """What is carried out, in its order, of a read of these at `now`: each its counter, and how long it had waited."""
        came = [Came(Place(1, 0, ctr), self.trail, by, waited) for ctr, waited in commands]
        return [commands[number][0] for number in self.sequence.in_order(came, now)]


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


def test_what_one_read_brings_is_carried_out_as_it_was_sealed():
    assert Ground().read((3, 0.0), (1, 0.0), (2, 0.0), now=1.0) == [1, 2, 3]
    assert Ground().read((3, 0.2), (1, 0.2), (2, 0.2), now=1.0) == [1, 2, 3]


def test_what_came_long_after_a_later_one_is_refused_though_one_read_brings_both():
    for read in (((2, 1.1), (1, 0.1)), ((1, 0.1), (2, 1.1))):
        assert Ground().read(*read, now=5.0) == [2]
    assert Ground().read((2, 1.1), (1, 1.05), now=5.0) == [1, 2]


def test_what_an_earlier_read_brought_counts_from_when_it_came():
    ground = Ground()
    assert ground.read((2, 1.1), now=5.0) == [2]
    assert ground.read((1, 0.0), now=5.0) == []
    assert ground.read((3, 0.0), now=5.0) == [3]


def test_behind_an_earlier_read_what_has_waited_has_no_grace():
    """Two links, read one after the other; or a serial line, which hands over in pieces, without stamps."""
    ground = Ground()
    assert ground.read((2, 0.2), now=5.0) == [2]
    assert ground.read((1, 1.1), (3, 1.1), now=5.0, by="slower") == [3]
    assert ground.read((4, 0.5), now=6.0) == [4]


def test_two_grounds_of_one_station_are_put_in_order_by_the_beats_that_they_echo():
    sequence, one, other = CommandOrder(), Trail[tuple[int, int]](), Trail[tuple[int, int]]()
    read = [Came(Place(7, 0, 0), one), Came(Place(6, 0, 90), other), Came(Place(7, 0, 1), one)]
    assert sequence.in_order(read, 1.0) == [1, 0, 2]


def test_no_command_is_carried_out_behind_a_later_one_that_came_or_was_carried_out_long_before():
    """The law over standstills: of one ground, two links with stamps, and an attacker who swaps and holds back."""
    for seed in range(20):
        done = flown(random.Random(seed))
        assert len(done) > 100
        for at, (ctr, came_at, carried_at) in enumerate(done):
            for later, later_came_at, later_carried_at in done[:at]:
                if later > ctr:
                    assert came_at - later_came_at <= BEHIND_SEVERAL_FOR_S + AGED_S, seed
                    assert carried_at - later_carried_at <= BEHIND_SEVERAL_FOR_S, seed


def flown(rng: random.Random) -> list[tuple[int, float, float]]:
    """(counter, when it came, when it was carried out) of each command that was, in the order in which they were."""
    ground, done, now = Ground(), list[tuple[int, float, float]](), 0.0
    links = [
        sorted(
            (ctr * 0.02 + rng.choice((0.0, 0.0, 0.06, rng.uniform(0, 3))), ctr) for ctr in range(1_000) if ctr % 2 == link
        )
        for link in (0, 1)
    ]
    while any(links):
        now += rng.choice((0.01, 0.05, 0.05, 0.14, 0.4, 2.0))
        for link in rng.sample((0, 1), 2):
            size = rng.choice((4, 64))
            read = [(came_at, ctr) for came_at, ctr in links[link][:size] if came_at <= now]
            del links[link][: len(read)]
            oldest = max((now - came_at for came_at, _ in read), default=0.0)
            waited = {ctr: now - came_at if oldest >= AGED_S else 0.0 for came_at, ctr in read}
            came = {ctr: came_at for came_at, ctr in read}
            taken = ground.read(*((ctr, waited[ctr]) for _, ctr in read), now=now, by=f"link {link}")
            done += [(ctr, came[ctr], now) for ctr in taken]
    return done


def test_addresses_that_take_turns_are_several_and_one_alone_is_not_after_five_seconds():
    ground, ctr = Ground(), 1

    def held_for(seconds: float, now: float, by: str) -> bool:
        nonlocal ctr
        assert ground.read((ctr + 1, 0.0), now=now, by=by)
        ctr += 2
        return bool(ground.read((ctr - 2, 0.0), now=now + seconds, by=by))

    assert not held_for(0.2, 0.0, "one")
    assert held_for(0.2, 1.0, "other")
    assert held_for(0.4, 0.2 + SEVERAL_WITHIN_S - 0.5, "other")
    assert not held_for(0.2, 0.2 + SEVERAL_WITHIN_S, "other")
    assert held_for(0.2, 7.0, "one")
