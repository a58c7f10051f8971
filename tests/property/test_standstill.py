"""A station that stood still, or a clock that ran wrong, costs the time that it took and no more: seeded schedules over an
honest link. SPEC.md sections 5.7 and 6. Time is the schedule's.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeAlias

import pytest

from gateway.batch import Batch
from gateway.core.ground.lateness import Lateness
from gateway.core.ground.session import Session
from keys.policy import Policy
from tests.memory_link import PILOT, World
from tests.property.seeds import seeds
from tests.property.test_past import Socket, number_of, sent_at

SEEDS = 20
STEP_S = 0.05
LASTS_S = 100.0
HEALS_S = 6.0  # a challenge is drawn every 3 s, and a beat brings it back
ON_WAY_S = 1.0
REKEYS = Policy(announce_s=2, rekey_s=60, lead_s=2)
Clock: TypeAlias = Callable[[float], float]
Spans: TypeAlias = list[tuple[float, float]]
ALWAYS: Spans = [(0.0, float("inf"))]


def right(now: float) -> float:
    return now


def passed(now: float, begin: float, seconds: float) -> float:
    """How much of a span has passed."""
    return min(max(now - begin, 0.0), seconds)


def slewed(rng: random.Random) -> Clock:
    """As chrony does it at most: 8 % too fast or too slow for half a minute, and then the other way."""
    begins, by = rng.uniform(10.0, 20.0), rng.choice((0.08, -0.08))
    return lambda now: now + by * (passed(now, begins, 30.0) - passed(now, begins + 30.0, 30.0))


def standstills(rng: random.Random) -> Spans:
    begins = (rng.uniform(8.0, 20.0), rng.uniform(55.0, 60.0))
    return [(begin, begin + rng.choice((0.4, 2.5, 8.0, 25.0))) for begin in begins]


def within(now: float, spans: Spans) -> bool:
    return any(begin < now < end for begin, end in spans)


def lost(
    seed: int,
    *,
    aboard: Clock = right,
    ashore: Clock = right,
    wrong: Spans | None = None,
    unasked: Spans | None = None,
    policy: Policy | None = None,
) -> float:
    """The share of what was not delivered though it was sent in a good time.

    `aboard`, `ashore`: the clocks of the aircraft and the station. `wrong`: when they stood. `unasked`: when nothing that
    the station sends comes up.
    """
    rng = random.Random(seed)
    world = World(seed, roles=[PILOT], policy=policy)
    aircraft, station, socket = world.aircraft(), world.station(1), Socket(rng)
    delay, still = rng.choice((0.0, 0.2, 0.6)), standstills(rng)
    bad = [(0.0, 0.0), *still, *(wrong or [])]
    on_way: list[tuple[float, list[bytes]]] = []
    due: set[int] = set()
    for now in (step * STEP_S for step in range(int(LASTS_S / STEP_S))):
        on_way.append((now + delay + rng.uniform(0.0, 0.2), sent_at(aircraft, aboard(now), now)))
        for _, come in [each for each in on_way if each[0] <= now]:
            socket.put(come, ashore(now))
        on_way = [each for each in on_way if each[0] > now]
        if not any(begin - ON_WAY_S < now < end + HEALS_S for begin, end in bad) and now < LASTS_S - ON_WAY_S:
            due.add(int(now * 1000))
        if not within(now, still):
            for batch in socket.read(ashore(now)):
                station.read(batch, ashore(now))
            station.listener.tick(ashore(now))
            asked = station.control(ashore(now))
            aircraft.receive([] if within(now, unasked or []) else asked, aboard(now))
    assert len(due) > 100
    return len(due - {*map(number_of, station.frames)}) / len(due)


@pytest.mark.parametrize("asks", [True, False])
@pytest.mark.parametrize("seed", seeds(6, SEEDS))
def test_after_a_standstill_all_is_delivered_again(seed: int, asks: bool):
    assert lost(seed, unasked=[] if asks else ALWAYS) == 0


@pytest.mark.parametrize("seed", seeds(6, SEEDS))
def test_a_clock_that_is_slewed_takes_nothing_away_where_challenges_are_answered(seed: int):
    rng = random.Random(seed)
    assert lost(seed, aboard=slewed(rng), ashore=slewed(rng)) == 0


@pytest.mark.parametrize("seed", seeds(6, SEEDS))
def test_a_clock_that_stood_is_believed_again_once_a_challenge_is_answered(seed: int):
    """That of a guest that was paused: all beats come later by that from then on."""
    stood = random.Random(seed).uniform(30.0, 45.0)
    assert lost(seed, aboard=lambda now: now - passed(now, stood, 5.0), wrong=[(stood, stood + 5.0)]) == 0


def late_over_a_rekey(seed: int) -> float:
    """The clock aboard stands, and nothing comes up until more than 10 s after the epoch that the station knew was over."""
    rng = random.Random(seed)
    stood, heard = rng.uniform(25.0, 45.0), rng.uniform(78.0, 80.0)
    return lost(
        seed,
        aboard=lambda now: now - passed(now, stood, 5.0),
        wrong=[(stood, heard)],
        unasked=[(stood, heard)],
        policy=REKEYS,
    )


@pytest.mark.parametrize("seed", seeds(6, SEEDS))
def test_what_was_late_over_a_rekey_is_believed_again_once_a_challenge_is_answered(seed: int):
    assert late_over_a_rekey(seed) == 0


def all_as_old_as_the_oldest(batch: Batch, index: int) -> float:
    return batch.age(index)


def learns_nothing(*_: object) -> None:
    pass


@pytest.mark.parametrize(
    "rule",
    [
        "a beat that may have waited came when it was read",
        "an answer shows the way back",
        "a late beat lists the keys for the way up",
    ],
)
def test_the_schedules_find_it_if_a_rule_is_missing(rule: str, monkeypatch: pytest.MonkeyPatch):
    if rule.startswith("a beat"):
        monkeypatch.setattr(Batch, "sure_age", all_as_old_as_the_oldest)
        assert any(lost(seed, unasked=ALWAYS) for seed in range(SEEDS))
    elif rule.startswith("a late"):
        monkeypatch.setattr(Session, "install_late", learns_nothing)
        assert late_over_a_rekey(0)
    else:
        monkeypatch.setattr(Lateness, "answered", learns_nothing)
        assert any(lost(seed, ashore=slewed(random.Random(seed))) for seed in range(SEEDS))


@pytest.mark.soak
def test_thousands_of_standstills(figure):
    seeds = range(1_000, 2_000)
    assert not any(lost(seed, unasked=[] if seed % 2 == 0 else ALWAYS) for seed in seeds)
    figure(f"a station stands still on a link without attacker: {len(seeds):,} schedules, nothing was lost afterwards")
