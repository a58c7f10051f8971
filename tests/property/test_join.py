"""How long a station that comes late waits for its feeds, in memory: time here is the schedule's, not the machine's."""

from __future__ import annotations

import random

import numpy as np
import pytest

from keys.grant import Profile
from keys.lanes import Lane
from keys.policy import Policy
from tests.memory_link import OBSERVER, PILOT, World, lossy

LOSS = 0.3
STEP_S = 0.05
LIMIT_S = 10.0  # at the 99th percentile: four post-quantum stations, a wide link, an order of `zegel order issue`


def seconds_to_join(seed: int) -> float:
    """From the moment the station switches on, somewhere in an epoch, to the first picture that it opens."""
    rng = random.Random(seed)
    world = World(seed, roles=[PILOT, *[OBSERVER] * 3], profile=Profile.X_WING, policy=Policy())
    aircraft, now = world.aircraft(), 0.0
    begin = rng.uniform(2.0, 60.0)
    while now < begin:
        aircraft.control(now)
        now += STEP_S
    station, air = world.station(rng.randrange(1, 5)), lossy(rng, loss=LOSS)
    while not station.video[Lane.VIDEO_A]:
        station.receive(air(aircraft.control(now) + aircraft.seal(Lane.VIDEO_A, [b"picture"])), now)
        now += STEP_S
    return now - begin


def joins(runs: int, figure) -> None:
    took = np.array([seconds_to_join(seed) for seed in range(runs)])
    p50, p99 = np.percentile(took, [50, 99])
    figure(f"late joiners at {LOSS:.0%} loss, {runs} runs: p50 {p50:.1f} s, p99 {p99:.1f} s, worst {took.max():.1f} s")
    assert p99 < LIMIT_S


def test_a_hundred_late_joiners(figure):
    joins(100, figure)


@pytest.mark.soak
def test_a_thousand_late_joiners(figure):
    joins(1_000, figure)
