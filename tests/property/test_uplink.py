"""Seeded schedules of both directions: what a commander sends arrives once, unchanged and in time, or not at all."""

from __future__ import annotations

import random

import pytest

from gateway.core import sframe
from gateway.core.refusal import Refusal
from keys.order import Policy
from tests.memory_link import PILOT, World, command, lossy, mavlink_frame

SEEDS = 20


def schedule(seed: int) -> int:
    """Two pilots over a bad radio with delays of up to five seconds, restarts and rekeys; how many frames arrived."""
    rng = random.Random(seed)
    world = World(seed, roles=(PILOT, PILOT), policy=Policy(rekey_s=60, lead_s=2))
    aircraft, stations = world.aircraft(), {1: world.station(1), 2: world.station(2)}
    air = lossy(rng, loss=rng.random() * 0.3, duplicate=0.1, swap=0.1, damage=0.05)
    sent: dict[tuple[int, bytes], float] = {}
    names: set[tuple[int, int]] = set()
    flying: list[tuple[float, bytes]] = []
    seen = 0
    now = 0.0
    for step in range(600):
        now += 0.15
        for index in (1, 2):
            if rng.random() < 0.005:
                stations[index] = world.station(index)
            station = stations[index]
            station.receive(air(aircraft.control(now)) if index == 1 else [], now)
            frame = mavlink_frame(rng, step)
            up = station.control(now)
            sealed = station.seal([frame], now)
            if not isinstance(sealed, Refusal):
                sent[index, frame] = now
                up += sealed
            for datagram in up:
                name = sframe.decode_header(datagram[:13])[:2]
                assert name not in names, "a (key, counter) pair sealed twice"
                names.add(name)
            flying += [(now + rng.choice((0.0, 0.0, 0.1, 1.0, 5.0)), datagram) for datagram in air(up)]
        stations[2].receive(air(aircraft.control(now)), now)
        due = [datagram for at, datagram in flying if at <= now]
        flying = [(at, datagram) for at, datagram in flying if at > now]
        aircraft.receive(due, now)
        for arrived in aircraft.commands[seen:]:
            assert arrived in sent, "a frame came that was never sent"
            assert now - sent[arrived] <= 3.2, "a frame came too late"
        seen = len(aircraft.commands)
    assert len(set(aircraft.commands)) == len(aircraft.commands), "a frame came twice"
    return len(aircraft.commands)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_bad_radio_only_loses(seed: int):
    schedule(seed)


def test_schedules_do_deliver():
    assert sum(schedule(seed) for seed in range(3)) > 500


def test_a_clean_radio_loses_nothing_over_rekeys():
    world = World(5, roles=(PILOT,), policy=Policy(rekey_s=60, lead_s=5))
    aircraft, station = world.aircraft(), world.station(1)
    now, sent = command(world, station, aircraft, 0.0), []
    while now < 200:
        now += 0.1
        sent.append((1, mavlink_frame(world.random, len(sent))))
        aircraft.receive(station.control(now) + station.seal([sent[-1][1]], now), now)
        station.receive(aircraft.control(now), now)
        station.listener.tick(now)
    assert aircraft.announcer.epoch == 3
    assert aircraft.commands == sent
    assert aircraft.drops == {}


@pytest.mark.parametrize("loss", [0.1, 0.3])
def test_freshness_is_seldom_lost_on_a_lossy_radio(loss: float):
    """At 30 % loss both ways a commander may speak in at least 99.5 % of the time once he has begun."""
    world, rng = World(6, roles=(PILOT,)), random.Random(6)
    aircraft, station = world.aircraft(), world.station(1)
    now, ready, steps = command(world, station, aircraft, 0.0), 0, 0
    air = lossy(rng, loss=loss)
    while now < 600:
        now += 0.1
        aircraft.receive(air(station.control(now)), now)
        station.receive(air(aircraft.control(now)), now)
        ready += station.sessions.commanded[0].answered(now)
        steps += 1
    assert ready / steps > 0.995


@pytest.mark.soak
def test_many_schedules():
    arrived = sum(schedule(seed) for seed in range(1000, 1500))
    print(f"500 schedules of both directions, {arrived} commands arrived, each once and in time")
