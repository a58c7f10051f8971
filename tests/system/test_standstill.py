"""A process stands still (SIGSTOP) and goes on, while all others go on sending: what waited meanwhile is as old as it is.

SPEC.md sections 4.4, 4.7 and 6; DESIGN: age counts from arrival.
"""

from __future__ import annotations

import json
import random

import pytest

from tests.system.house import zegel
from tests.system.standstill import Standstill

AT_HAND = 3  # frames of one turn, as fast as they come here


@pytest.fixture
def scene(fly):
    made = Standstill(fly())
    yield made
    made.close()


def drops(role: str) -> dict[str, int]:
    status = next(status for status in json.loads(zegel("status", "--json")) if status["role"] == role)
    return {**status["drops"], **({} if role == "air" else status["commands"])}


@pytest.mark.parametrize("who", ["ground", "air"])
@pytest.mark.parametrize(
    "seconds", [5, *(pytest.param(long, marks=[pytest.mark.soak, pytest.mark.alone]) for long in (8, 20))]
)
def test_what_waited_meanwhile_is_not_passed_on_as_fresh(scene: Standstill, who: str, seconds: float, figure):
    program = scene.flight.air if who == "air" else scene.pilot.program
    scene.stands(program, seconds)
    figure(f"{who} stood still for {seconds} s; afterwards {scene.said()}")
    assert scene.old() == (0, 0), scene.said()
    assert drops(who)["late"] > 0
    scene.up.clear()
    scene.down.clear()
    assert scene.flight.until(lambda: len(scene.up) > 10 and len(scene.down) > 10), scene.flight.logs()


@pytest.mark.alone
@pytest.mark.soak
@pytest.mark.parametrize("who", ["ground", "air"])
def test_however_it_is_cut_into_pieces(scene: Standstill, who: str, figure):
    """Stops of random length at random moments, some of them in the middle of a turn.

    What stands between the last look at the clock and the system call that sends it is passed on, a turn's worth at most.
    """
    rng, program = random.Random(1), scene.flight.air if who == "air" else scene.pilot.program
    worst, old = [0.0, 0.0], [0, 0]  # of commands, of frames
    for _ in range(30):
        scene.stands(program, rng.uniform(0.5, 4.5), rng.uniform(0.05, 1.5))
        old = [total + more for total, more in zip(old, scene.old(), strict=True)]
        worst = [max(before, *ages, 0.0) for before, ages in zip(worst, (scene.up, scene.down), strict=True)]
    figure(f"{who} stood still 30 times: the oldest command {worst[0]:.2f} s, the oldest frame {worst[1]:.2f} s")
    assert max(old) <= AT_HAND
