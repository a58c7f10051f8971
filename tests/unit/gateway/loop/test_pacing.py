from __future__ import annotations

from typing import cast

import pytest

from gateway.batch import CAPACITY
from gateway.loop.pacing import APART_S, CLUSTERS_PER_S, DATAGRAMS, Pace, frames
from gateway.loop.poller import Poller
from tests.unit.gateway.plain_end import PlainEnd

STEPS = ((1_000, 0.002), (10_000, 0.004))


class Rests:
    """What a Poller is told."""

    def __init__(self) -> None:
        self.told: list[tuple[PlainEnd, float]] = []

    def defer(self, endpoint: PlainEnd, until: float) -> None:
        self.told.append((endpoint, until))


def paced(a_second: float, bursts_per_s: float, seconds: float = 1.0) -> tuple[Pace, PlainEnd, Rests]:
    """After so many datagrams a second, in this many bursts of which each takes three reads in a row."""
    end, poller = PlainEnd(), Rests()
    pace = Pace(cast(Poller, poller), {end: STEPS})
    pace.tick(10.0)
    for number in range(bursts := round(bursts_per_s * seconds)):
        for part in range(3):
            size = round(a_second * seconds / bursts / 3)
            pace.count(end, size, 10.0 + number / bursts_per_s + part * APART_S / 10, more=False)
    assert not poller.told, "nothing is known yet"
    pace.tick(10.0 + seconds)
    return pace, end, poller


@pytest.mark.parametrize(
    ("a_second", "rests_s"), [(10, []), (900, []), (1_200, [0.002]), (9_000, [0.002]), (12_000, [0.004])]
)
def test_what_comes_faster_rests_longer_and_what_comes_slowly_not_at_all(a_second: int, rests_s: list[float]):
    pace, end, poller = paced(a_second, 100)
    pace.count(end, 1, 11.01, more=False)
    assert poller.told == [(end, pytest.approx(11.01 + rest_s)) for rest_s in rests_s]


def test_a_camera_that_delivers_whole_pictures_does_not_rest_however_large_they_are():
    for pictures in (25, 30, 50, 60):
        pace, end, poller = paced(20_000, pictures)
        pace.count(end, 1, 11.01, more=False)
        assert not poller.told
    pace, end, poller = paced(20_000, CLUSTERS_PER_S + 5)
    pace.count(end, 1, 11.01, more=False)
    assert poller.told


def test_what_has_more_at_hand_and_what_became_slow_do_not_rest():
    pace, end, poller = paced(12_000, 100)
    pace.count(end, 64, 11.01, more=True)
    pace.tick(11.1)
    pace.count(end, 1, 11.11, more=False)
    assert not poller.told


def test_what_is_gathered_in_a_rest_is_worth_it_and_fits_the_buffer():
    for per_s, rest_s in DATAGRAMS:
        assert 2 <= per_s * rest_s <= CAPACITY + CAPACITY // 2 + 4
    assert frames(0.0) == ()
    assert frames(0.002) == ((1_000, 0.002),)
