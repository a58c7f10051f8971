"""Which way up is tried when, and what an answer proves: SPEC.md section 6, F3."""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections import defaultdict

import pytest

from gateway.core.ground.challenges import CHALLENGE_EVERY_S, FIRSTS_AT_ONCE, FIRSTS_PER_S, Challenges, Way
from gateway.core.wire import CHALLENGE_FOR_S
from keys.beat import Beat
from tests.memory_link import World

STATION = 3


def beat_of_somebody() -> Beat:
    aircraft, station = (world := World(1)).aircraft(), world.station(1)
    station.receive(aircraft.control(0.0), 0.0)
    (session,) = station.listener.sessions.values()
    return session.beat


BEAT = beat_of_somebody()


class Scene:
    """A station, its ways, and an aircraft that holds the newest challenge which came, and says it in its beats."""

    def __init__(self, leading: list[Way], other: list[Way], beat_s: float = 0.5, loss: float = 0.0) -> None:
        self.leading, self.other, self.beat_s, self.loss = leading, other, beat_s, loss
        self.rng = random.Random(1)
        self.challenges = Challenges(self.rng.randbytes)
        self.now, self.beat_at = 0.0, 0.0
        self.held: bytes | None = None
        self.sent: dict[Way, list[tuple[float, bytes]]] = defaultdict(list)
        self.proved: dict[Way, list[float]] = defaultdict(list)
        self.answered: list[bool] = []

    def lost(self) -> bool:
        return self.rng.random() < self.loss

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += 0.1
            for way, value in self.challenges.due([*self.leading, *self.other], self.now):
                self.sent[way].append((self.now, value))
                if way in self.leading and not self.lost():
                    self.held = value
            if self.now >= self.beat_at:
                self.beat_at += self.beat_s
                if not self.lost():
                    answers = {STATION: self.held} if self.held else {}
                    self.challenges.hear(dataclasses.replace(BEAT, challenges=answers), STATION, self.now)
            for way in self.challenges.take_proved():
                self.proved[way].append(self.now)
            self.answered.append(self.challenges.answered(self.now))


def ways(count: int) -> list[Way]:
    return [(0, name) for name in "abcdefgh"[:count]]


def longest_gap(times: list[float]) -> float:
    return max(later - earlier for earlier, later in itertools.pairwise(times))


@pytest.mark.parametrize("beat_s", [0.5, 1.0])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 6])
def test_each_way_that_leads_there_is_proved_again_and_again_within_ten_seconds(count: int, beat_s: float):
    """Also where beats are as far apart as on a narrow link: no way's answers are always those that are overwritten."""
    scene = Scene(ways(count), [], beat_s)
    scene.pass_time(120)
    for way in scene.leading:
        assert scene.proved[way][0] < 2 * CHALLENGE_FOR_S
        assert longest_gap([*scene.proved[way], scene.now]) < CHALLENGE_FOR_S, way
        fresh = [
            at for (at, value), (_, before) in zip(scene.sent[way][1:], scene.sent[way], strict=False) if value != before
        ]
        if count <= 3 and beat_s < 1:
            assert longest_gap(fresh) == pytest.approx(CHALLENGE_EVERY_S, abs=0.61)


def test_the_ways_are_tried_in_turn_evenly_apart():
    scene = Scene(ways(3), [])
    scene.pass_time(60)
    times = sorted(at for sent in scene.sent.values() for at, _ in sent if at > 6)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert gaps == pytest.approx([1.0] * len(gaps), abs=0.25)


def test_between_two_beats_goes_one_challenge_and_where_beats_are_lost_one_a_second():
    """A beat holds one answer: a second challenge would push the first one out."""
    scene = Scene(ways(2), ways(6)[2:], beat_s=0.5)
    scene.pass_time(CHALLENGE_EVERY_S + 1)
    for beat_s in (0.5, 1.0, 1e9):
        scene.beat_s, scene.beat_at = beat_s, scene.now + beat_s
        scene.sent.clear()
        begin = scene.now
        scene.pass_time(60)
        times = sorted(at for sent in scene.sent.values() for at, _ in sent)
        beats = [int((at - begin + 1e-6) / beat_s) for at in times]
        if beat_s < 1e9:
            assert len(set(beats)) == len(beats)
        else:
            assert min(later - earlier for earlier, later in itertools.pairwise(times)) > 0.9


def test_no_value_goes_two_ways():
    scene = Scene(ways(2), ways(4)[2:])
    scene.pass_time(60)
    values = [{value for _, value in sent} for sent in scene.sent.values()]
    assert len(values) == 4
    assert sum(map(len, values)) == len(set.union(*values))


def test_a_way_that_leads_nowhere_is_never_proved_and_takes_no_freshness_away():
    scene = Scene(ways(1), ways(6)[1:], loss=0.3)
    scene.pass_time(600)
    assert scene.proved.keys() == {*scene.leading}
    assert sum(scene.answered[100:]) / len(scene.answered[100:]) > 0.99


def test_at_the_first_all_ways_are_tried_at_once():
    scene = Scene(ways(4), [])
    assert {way for way, _ in scene.challenges.due(scene.leading, 0.0)} == {*scene.leading}


def test_strangers_that_name_new_ways_without_end_take_freshness_and_turns_from_no_one():
    """Each look finds four new ways beside the one that leads there."""
    rng, scene = random.Random(2), Scene(ways(1), [])
    scene.pass_time(5)
    for _ in range(1_200):
        scene.other = [(0, rng.random()) for _ in range(4)]
        scene.pass_time(0.05)
    assert all(scene.answered[50:])
    assert longest_gap(scene.proved[(0, "a")]) < CHALLENGE_FOR_S
    assert len(scene.challenges._ways) == 5


def test_before_freshness_a_flood_of_new_ways_is_tried_within_a_budget():
    rng, scene = random.Random(2), Scene([], [])
    for _ in range(200):
        scene.other = [(0, rng.random()) for _ in range(4)]
        scene.pass_time(0.05)
    tried = sum(map(len, scene.sent.values()))
    assert tried <= FIRSTS_AT_ONCE + (FIRSTS_PER_S + 1) * scene.now + 2


def test_an_answer_proves_its_way_also_when_that_has_given_its_place_away():
    scene = Scene(ways(1), [])
    ((way, value),) = scene.challenges.due(scene.leading, 0.0)
    assert scene.challenges.due([(0, "other")], 0.1)
    scene.challenges.hear(dataclasses.replace(BEAT, challenges={STATION: value}), STATION, 0.2)
    assert scene.challenges.take_proved() == [way]
    assert scene.challenges.take_proved() == []
    assert scene.challenges.answered(0.2)
    scene.challenges.hear(dataclasses.replace(BEAT, challenges={STATION: value}), STATION, 0.7)
    assert scene.challenges.take_proved() == [], "the same answer once more proves nothing new"


def test_without_a_way_nothing_is_due():
    challenges = Challenges(random.Random(1).randbytes)
    assert [challenges.due([], now) for now in (0.0, 5.0)] == [[], []]
