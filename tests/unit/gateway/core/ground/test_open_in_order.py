"""What was expected opens by the short way: it must not be told from the long one by anything that comes of it."""

from __future__ import annotations

import random

import pytest

from gateway.core.ground.opener import Opener
from keys.lanes import VIDEO_LANES, Lane
from tests.memory_link import LANES, Station, World
from tests.unit.gateway.core.by_hand import Aboard, batch_of, damaged

STARTS = (0, 3, 200, 65_500)  # where CTRs are short, grow by a byte, and grow by another


def stormy(rng: random.Random, datagrams: list[bytes]) -> list[list[bytes]]:
    """Batches in which some are lost, damaged, cut, doubled or out of order, and runs of which are whole."""
    out, at = [], 0
    while at < len(datagrams):
        batch = datagrams[at : (at := at + rng.choice((1, 2, 17, 64)))]
        weather = rng.randrange(8)
        victim = rng.randrange(len(batch))
        if weather == 0:
            del batch[victim]
        elif weather == 1:
            batch[victim] = damaged(batch[victim])
        elif weather == 2:
            batch[victim] = batch[victim][: rng.randrange(len(batch[victim]))]
        elif weather == 3:
            batch[victim] = batch[victim - 1]
        elif weather == 4:
            rng.shuffle(batch)
        elif weather == 5:
            batch = [*batch, *rng.sample(datagrams[:at], min(3, at))][-64:]
        out.append(batch)
    return out


def opened(opener: Opener, batch: list[bytes]) -> object:
    arena = batch_of(*batch)
    result = opener.open(arena, 0.0)
    views = {lane: [(slot, bytes(arena.view(slot))) for slot in result.slots(lane)] for lane in VIDEO_LANES}
    arrivals = [(arrival.lease.lane, [*arrival.slots], [*arrival.ctrs]) for arrival in result.arrivals]
    return views, arrivals, result.fresh


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("seed", range(10))
def test_both_ways_open_the_same_in_any_weather(seed: int, start: int, monkeypatch: pytest.MonkeyPatch):
    rng = random.Random(f"{seed} {start}")
    world = World(1)
    aboard = Aboard(world, boot=3)
    stations: list[Station] = [world.station(1), world.station(1)]
    for station in stations:
        aboard.join(station, next_ctr={aboard.kid(lane): start for lane in LANES})
    short, long = (station.opener for station in stations)
    sealed = [
        aboard.sealed(lane, rng.randbytes(rng.randrange(1, 60)), start + ctr)
        for ctr in range(600)
        for lane in (Lane.VIDEO_A, *([Lane.VIDEO_B] if rng.random() < 0.1 else []))
    ]
    taken: list[bool] = []
    monkeypatch.setattr(
        short, "_open_in_order", lambda *words: taken.append(Opener._open_in_order(short, *words)) or taken[-1]
    )
    for batch in stormy(rng, sealed):
        for leases in long.listener.leases.values():
            for lease in leases:
                lease.key.block = None
        assert opened(short, batch) == opened(long, batch)
        assert short.drops == long.drops
    assert taken.count(True) > 5 < taken.count(False)
    tops = [{kid: lease.key.window.top for kid, (lease,) in each.listener.leases.items()} for each in (short, long)]
    assert tops[0] == tops[1]


def test_what_is_not_verified_makes_nothing_ahead():
    """Else a forger could make a station work for each datagram that it sends."""
    world = World(1)
    aboard, station = Aboard(world, boot=3), world.station(1)
    aboard.join(station)
    (lease,) = station.listener.leases[aboard.kid(Lane.VIDEO_A)]
    station.receive([damaged(aboard.sealed(Lane.VIDEO_A, b"x", ctr)) for ctr in range(9, 90)], 0.0)
    assert lease.key.block is None
    station.receive([aboard.sealed(Lane.VIDEO_A, b"x", 9)], 0.0)
    ahead = lease.key.block
    assert ahead is not None
    station.receive([damaged(aboard.sealed(Lane.VIDEO_A, b"x", 50_000))], 0.0)
    assert lease.key.block is ahead
