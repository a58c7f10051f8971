"""Nothing lasts of a copied device key that was not kept up: seeded schedules over a thief who has it, an aircraft that
starts again and again and a station that restarts. SPEC.md section 6, F1. Time is the schedule's.
"""

from __future__ import annotations

import random
from collections import deque
from typing import TypeAlias

import pytest

from gateway.core.ground import session as sessions
from gateway.core.ground.session import A_BEAT_COUNTS_S, LASTED_S
from gateway.core.ground.starts import SUPERSEDED_AFTER_S, Starts
from tests.memory_link import PILOT, Station, World
from tests.unit.gateway.core.by_hand import Aboard

SEEDS = 40  # schedules here; `make soak` runs thousands
STEP_S = 0.1
WORDS_MAX = round(LASTED_S / A_BEAT_COUNTS_S)  # beats of one start: one more, and it has lasted
Datagrams: TypeAlias = list[bytes]


def thief_schedule(seed: int) -> int:
    """The thief says a few words at a time. Returns how often.

    No start below one that the station was told to remember begins to open, by whomever it is said; and when the words are
    over, the aircraft's next start opens within a while.
    """
    rng, world = random.Random(seed), World(seed, roles=[PILOT])
    station, now, words = world.station(1), 0.0, 0
    memory: dict[bytes, tuple[int, bytes, int]] = {}
    past: list[Datagrams] = []
    thieves: list[Aboard] = []
    for _ in range(rng.randrange(2, 5)):
        aircraft = world.aircraft(now)
        past.append([])
        for _ in range(rng.choice((20, 150))):
            come = aircraft.control(now)
            past[-1] += come
            if rng.random() < 0.02:
                come, words = come + some_words(world, rng, thieves), words + 1
            if rng.random() < 0.1:
                come = come + rng.choice(past)[:60]
            if rng.random() < 0.01:
                station = world.station(1, memory)
            hear(station, come, now, memory)
            now += STEP_S
        now += rng.choice((0.0, 5.0, 30.0))
    last, begin = world.aircraft(now), now
    while last.announcer.session_id not in opened_ids(station):
        hear(station, last.control(now), now, memory)
        now += STEP_S
        assert now - begin < SUPERSEDED_AFTER_S + 5, f"not opened: {station.drops}"
    return words


def hear(station: Station, come: Datagrams, now: float, memory: dict[bytes, tuple[int, bytes, int]]) -> None:
    before = opened_ids(station)
    for device, (counter, session_id, _) in memory.items():
        before |= {session_id}
        known = {device: counter}
    station.receive(come, now)
    for session in station.listener.sessions.values():
        session.proved = True  # whoever speaks can answer, too
    station.listener.tick(now)
    for session in station.listener.sessions.values():
        begins = session.opened and session.session_id not in before
        assert not (begins and memory) or session.boot_counter > known[session.device_public]
    for one in station.listener.take_heard():
        memory[one.device_public] = (one.boot_counter, one.session_id, one.seq)


def opened_ids(station: Station) -> set[bytes]:
    return {session.session_id for session in station.listener.sessions.values() if session.opened}


def some_words(world: World, rng: random.Random, thieves: list[Aboard]) -> Datagrams:
    """Of a start with a counter ahead of the aircraft's: it is stated, beats, and perhaps grants a key.

    Or one beat more of one of `thieves`, those that have spoken. None says as many as it takes to last.
    """
    talkers = [thief for thief in thieves[-2:] if thief.seq < WORDS_MAX]
    if talkers and rng.random() < 0.5:
        return world.on_air([rng.choice(talkers).beat()])
    thief = Aboard(world, boot=world.boots + rng.choice((1, 2, 500, 900)))
    thieves.append(thief)
    parts = thief.announce(thief.announced())
    said = [thief.statement(), *(thief.beat() for _ in range(rng.randrange(1, 4))), *(parts if rng.random() < 0.5 else [])]
    return world.on_air(said)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_few_words_of_a_copied_key_keep_no_aircraft_out(seed: int):
    thief_schedule(seed)


@pytest.mark.parametrize("rule", ["admits", "lasted", "gaps"])
def test_the_schedules_find_it_if_a_rule_of_starts_is_missing(rule: str, monkeypatch: pytest.MonkeyPatch):
    if rule == "lasted":
        monkeypatch.setattr(sessions, "LASTED_S", 0.0)
    elif rule == "gaps":
        monkeypatch.setattr(sessions, "A_BEAT_COUNTS_S", float("inf"))
    else:
        monkeypatch.setattr(Starts, "admits", lambda *_: True)
    with pytest.raises(AssertionError):
        deque(map(thief_schedule, range(5 * SEEDS)), 0)


@pytest.mark.soak
def test_thousands_of_schedules_of_a_copied_key(figure):
    words = sum(thief_schedule(seed) for seed in range(1_000, 4_000))
    figure(
        f"a copied device key says {words:,} times a few words, 3,000 schedules: the aircraft's next start opened in each"
    )
