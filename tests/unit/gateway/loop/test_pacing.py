from __future__ import annotations

from typing import cast

import pytest

from gateway.loop.pacing import Pace
from gateway.loop.poller import Poller
from tests.unit.gateway.plain_end import PlainEnd

STEPS = ((0.002, 2), (0.004, 40))


class Rests:
    """What a Poller is told."""

    def __init__(self) -> None:
        self.told: list[tuple[PlainEnd, float]] = []

    def defer(self, endpoint: PlainEnd, until: float) -> None:
        self.told.append((endpoint, until))


@pytest.mark.parametrize(
    ("a_second", "rests_s"), [(10, []), (950, []), (1_050, [0.002]), (9_500, [0.002]), (10_500, [0.004])]
)
def test_what_comes_faster_rests_longer_and_what_comes_slowly_not_at_all(a_second: int, rests_s: list[float]):
    end, poller = PlainEnd(), Rests()
    pace = Pace(cast(Poller, poller), {end: STEPS})
    pace.tick(10.0)
    pace.count(end, a_second // 10, 10.05, more=False)
    assert not poller.told, "nothing is known yet"
    pace.tick(10.1)
    pace.count(end, 1, 10.11, more=False)
    assert poller.told == [(end, pytest.approx(10.11 + rest_s)) for rest_s in rests_s]


def test_what_has_more_at_hand_and_what_became_slow_do_not_rest():
    end, poller = PlainEnd(), Rests()
    pace = Pace(cast(Poller, poller), {end: STEPS})
    pace.tick(10.0)
    pace.count(end, 1_000, 10.05, more=False)
    pace.tick(10.1)
    pace.count(end, 64, 10.11, more=True)
    pace.tick(10.2)
    pace.count(end, 1, 10.21, more=False)
    assert not poller.told
