from __future__ import annotations

from typing import cast

import pytest

from gateway.pace import GATHER_FROM, Pace
from gateway.poller import Poller
from tests.unit.gateway.plain_end import PlainEnd

WAIT_S = 0.002


class Rests:
    """What a Poller is told."""

    def __init__(self) -> None:
        self.told: list[tuple[PlainEnd, float]] = []

    def rest(self, endpoint: PlainEnd, until: float) -> None:
        self.told.append((endpoint, until))


@pytest.mark.parametrize(("in_a_wait", "rests"), [(0.5, False), (GATHER_FROM - 0.1, False), (GATHER_FROM + 0.1, True)])
def test_only_what_comes_fast_enough_to_gather_rests(in_a_wait: float, rests: bool):
    end, poller = PlainEnd(), Rests()
    pace = Pace(cast(Poller, poller), {end: WAIT_S})
    pace.tick(10.0)
    pace.count(end, round(in_a_wait * 0.1 / WAIT_S), 10.05, more=False)
    assert not poller.told, "nothing is known yet"
    pace.tick(10.1)
    pace.count(end, 1, 10.11, more=False)
    assert poller.told == ([(end, pytest.approx(10.11 + WAIT_S))] if rests else [])


def test_what_has_more_at_hand_and_what_became_slow_do_not_rest():
    end, poller = PlainEnd(), Rests()
    pace = Pace(cast(Poller, poller), {end: WAIT_S})
    pace.tick(10.0)
    pace.count(end, 1_000, 10.05, more=False)
    pace.tick(10.1)
    pace.count(end, 64, 10.11, more=True)
    pace.tick(10.2)
    pace.count(end, 1, 10.21, more=False)
    assert not poller.told
