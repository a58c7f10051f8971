"""Commands over ways of different length, and past an attacker who holds back, repeats and reorders what goes up.

The law, SPEC.md section 4.7: no command is carried out more than the bound after one that was sealed later, and an honest
radio loses none by it.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Hashable, Sequence

import numpy as np
import pytest

from gateway.batch import AGED_S, Batch
from gateway.core import sframe
from gateway.core.air.command_order import BEHIND_FOR_S, BEHIND_SEVERAL_FOR_S
from gateway.core.air.uplink_opener import UplinkOpener
from gateway.core.refusal import Refusal
from keys import keyring
from keys.lanes import Lane, uplink_kid
from keys.order import Policy
from tests.memory_link import PILOT, Aircraft, Station, World, command, mavlink_frame

STEP_S = 0.02
LOOK_BACK = 400  # commands, more than come in the 4 s for which one may be on its way
SEEDS = 4
LANE_16 = Lane.UPLINK - 15


class Air:
    """What is on its way, each datagram with when it arrives and by which address."""

    def __init__(self) -> None:
        self._queue: list[tuple[float, int, bytes, Hashable]] = []
        self._number = itertools.count()

    def put(self, datagram: bytes, due: float, by: Hashable = None) -> None:
        heapq.heappush(self._queue, (due, next(self._number), datagram, by))

    def due(self, now: float) -> list[tuple[bytes, Hashable]]:
        return [(datagram, by) for _, datagram, by in self.arrived(now)]

    def arrived(self, now: float) -> list[tuple[float, bytes, Hashable]]:
        """With when each arrived."""
        out = []
        while self._queue and self._queue[0][0] <= now:
            at, _, datagram, by = heapq.heappop(self._queue)
            out.append((at, datagram, by))
        return out


class Log:
    """When each frame was sealed, when it arrived and when it was carried out."""

    def __init__(self, aircraft: Aircraft) -> None:
        self.aircraft = aircraft
        self.sealed: dict[bytes, int] = {}  # its place in the order of sealing
        self.frames: dict[bytes, bytes] = {}  # by the datagram that carries it
        self.arrived: dict[bytes, float] = {}  # the copy that was read first
        self.done: list[tuple[float, float, int]] = []  # (carried out, arrived, place)

    def seal(self, station: Station, frame: bytes, now: float) -> list[bytes]:
        sealed = station.seal([frame], now)
        if isinstance(sealed, Refusal):
            return []
        self.sealed[frame] = len(self.sealed)
        self.frames |= dict.fromkeys(sealed, frame)
        return sealed

    def read(self, batch: Batch, arrived: Sequence[float], now: float, by: Hashable) -> None:
        for datagram, at in zip(batch.datagrams(), arrived, strict=True):
            self.arrived.setdefault(self.frames.get(datagram, b""), at)
        for _, frame in self.aircraft.uplink_opener.open(batch, now, lambda _: by).frames:
            self.done.append((now, self.arrived[frame], self.sealed[frame]))

    def worst(self) -> tuple[float, float]:
        """The longest times between a command and an earlier one behind it: of carrying out, and of arrival."""
        worst = worst_arrival = 0.0
        for number, (now, at, place) in enumerate(self.done):
            later = [(done, came) for done, came, other in self.done[max(0, number - LOOK_BACK) : number] if other > place]
            worst = max([worst, *(now - done for done, _ in later)])
            worst_arrival = max([worst_arrival, *(at - came for _, came in later)])
        return worst, worst_arrival


def read(rng: random.Random, log: Log, came: list[tuple[float, bytes, Hashable]], now: float, stamps: bool) -> None:
    """One link for each address, in batches; without stamps all of a read is as old as the oldest."""
    batch, addresses = Batch(), sorted({by for _, _, by in came})
    for by in rng.sample(addresses, len(addresses)):
        mine = [(at, datagram) for at, datagram, sender in came if sender == by]
        for begin in range(0, len(mine), batch.capacity):
            arrived, datagrams = zip(*mine[begin : begin + batch.capacity], strict=True)
            batch.hold(datagrams)
            ages = now - np.array(arrived)
            batch.waited(float(ages.max()), ages if stamps else None)
            log.read(batch, arrived, now, by)


def attacked(seed: int, addresses: int, still_s: float = 0.0, *, stamps: bool = True) -> tuple[Log, int]:
    """A minute and more of commands, a restart of the ground and a rekey in it; how many were refused for their order.

    The aircraft stands still now and then for up to `still_s`, and then reads what has come.
    """
    rng = random.Random(seed)
    world = World(seed, roles=(PILOT,), policy=Policy(rekey_s=60, lead_s=2))
    aircraft, station, air = world.aircraft(), world.station(1), Air()
    log, now = Log(aircraft), command(world, station, aircraft, 0.0)
    restart_at, goes_on_at = rng.uniform(20, 58), 0.0
    for number in range(int(70 / STEP_S)):
        now += STEP_S
        station.receive(aircraft.control(now), now)
        if restart_at <= now:
            station, restart_at = world.station(1), float("inf")
        up = station.control(now)
        if rng.random() < 0.3:
            up += log.seal(station, mavlink_frame(rng, number), now)
        for datagram in up:
            for _ in range(rng.choice((1, 1, 1, 2))):
                delay = rng.choice((0.0, 0.0, 0.0, rng.uniform(0, 0.15), rng.uniform(0, 0.6), rng.uniform(0, 4.0)))
                air.put(datagram, now + delay, rng.randrange(addresses))
        if now >= goes_on_at:
            read(rng, log, air.arrived(now), now, stamps)
            goes_on_at = now + rng.uniform(0, still_s) if rng.random() < 0.05 else 0.0
    assert aircraft.announcer.epoch == 1
    return log, aircraft.drops["out_of_order"]


@pytest.mark.parametrize(("addresses", "bound"), [(1, BEHIND_FOR_S), (2, BEHIND_SEVERAL_FOR_S)])
def test_no_command_is_carried_out_after_a_later_one_by_more_than_the_bound(addresses: int, bound: float):
    refused = carried_out = 0
    for seed in range(SEEDS):
        log, out_of_order = attacked(seed, addresses)
        assert log.worst()[0] <= bound + 1e-6, seed
        refused, carried_out = refused + out_of_order, carried_out + len(log.done)
    assert refused > 50 * SEEDS
    assert carried_out > 500 * SEEDS


@pytest.mark.parametrize("stamps", [True, False])
@pytest.mark.parametrize(("addresses", "bound"), [(1, BEHIND_FOR_S), (2, BEHIND_SEVERAL_FOR_S)])
def test_where_the_aircraft_stands_still_what_is_behind_arrived_no_later_than_the_bound(
    addresses: int, bound: float, stamps: bool
):
    """By the times of arrival, too: one that was held back is not carried out because a later one waited to be read."""
    for seed in range(SEEDS):
        log, out_of_order = attacked(seed, addresses, 1.5, stamps=stamps)
        carried_out, arrived = log.worst()
        assert carried_out <= bound + 1e-6, seed
        assert arrived <= bound + AGED_S, seed
        assert min(out_of_order, len(log.done)) > 50


@pytest.mark.soak
@pytest.mark.parametrize(("addresses", "bound"), [(1, BEHIND_FOR_S), (2, BEHIND_SEVERAL_FOR_S)])
def test_many_schedules_of_held_back_commands(addresses: int, bound: float, figure):
    logs = [attacked(seed, addresses)[0] for seed in range(1000, 1300)]
    assert max(log.worst()[0] for log in logs) <= bound + 1e-6
    arrived = sum(len(log.done) for log in logs)
    figure(f"300 schedules, {addresses} addresses: {arrived} commands, none over {bound:g} s behind a later one")


LINKS = {"fast": 0.02, "slow": 0.4}  # seconds one way
LOSS = 0.3


def by_both(rng: random.Random, air: Air, datagrams: list[bytes], now: float) -> None:
    for datagram, (link, delay) in itertools.product(datagrams, LINKS.items()):
        if rng.random() >= LOSS:
            air.put(datagram, now + delay + rng.uniform(0, 0.02), link)


@pytest.mark.parametrize("seed", range(3))
def test_two_links_of_20_and_400_ms_at_30_percent_loss_lose_no_command_that_either_brought(seed: int):
    """Both ways, over two rekeys."""
    rng = random.Random(seed)
    world = World(seed, roles=(PILOT,), policy=Policy(rekey_s=60, lead_s=5))
    aircraft, station = world.aircraft(), world.station(1)
    now = command(world, station, aircraft, 0.0)
    up, down = Air(), Air()
    frames: dict[bytes, bytes] = {}  # by the datagram that carries it
    brought: list[bytes] = []
    while now < 130.0:
        now += STEP_S
        by_both(rng, down, aircraft.control(now), now)
        station.receive([datagram for datagram, _ in down.due(now)], now)
        by_both(rng, up, station.control(now), now)
        if rng.random() < 0.4:
            frame = mavlink_frame(rng, len(frames))
            (sealed,) = refusing_none(station, frame, now)
            frames[sealed] = frame
            by_both(rng, up, [sealed], now)
        for datagram, by in up.due(now):
            aircraft.receive([datagram], now, by)
            brought += [frames.pop(datagram)] if datagram in frames else []
    assert aircraft.announcer.epoch == 2
    assert len(brought) > 2_000
    assert [frame for _, frame in aircraft.commands] == brought
    assert aircraft.drops.keys() == {"replayed"}


def refusing_none(station: Station, frame: bytes, now: float) -> list[bytes]:
    sealed = station.seal([frame], now)
    assert not isinstance(sealed, Refusal), (now, sealed)
    return sealed


# --- flood ---


@pytest.mark.parametrize("rate", [10_000, 30_000])
def test_a_flood_without_a_key_takes_no_command_at_the_first_nor_over_a_rekey(rate: int):
    """`rate` forged commands a second of unknown instances, under the epoch that is taken, before each of the pilot's."""
    world, rng = World(5, roles=(PILOT,), policy=Policy(rekey_s=60, lead_s=5)), random.Random(1)
    aircraft, pilot = world.aircraft(), world.station(1)
    now = command(world, pilot, aircraft, 0.0)
    session_id = aircraft.announcer.session_id
    while now < 58.0:
        now += 0.1
        pilot.receive(aircraft.control(now), now)
        aircraft.receive(pilot.control(now), now)
    sent = []
    while now < 62.0:
        now += 0.05
        epoch = aircraft.announcer.epoch
        forged = [
            sframe.encode_header(uplink_kid(Lane.UPLINK, 1, session_id, epoch, rng.randbytes(5)), 0) + rng.randbytes(60)
            for _ in range(rate // 20)
        ]
        pilot.receive(aircraft.control(now), now)
        sent.append((1, mavlink_frame(rng, len(sent))))
        aircraft.receive(forged + pilot.control(now) + refusing_none(pilot, sent[-1][1], now), now)
    assert aircraft.announcer.epoch == 1
    assert aircraft.commands == sent
    assert aircraft.drops["over_budget"] > rate


@pytest.mark.parametrize("rate", [10_000, 30_000])
def test_a_flood_without_a_key_takes_no_command_over_changes_of_order(rate: int):
    """Three of them, each 3 s after the one before. The flood knows the session's byte as soon as the session has begun."""
    world, rng, sent, now = World(5, roles=(PILOT, PILOT)), random.Random(1), 0, 0.0
    aircraft, pilot = world.aircraft(), world.station(1)
    now = change_at = command(world, pilot, aircraft, now)
    for _ in range(3):
        change_at += 3.0
        while now < change_at:
            now += 0.05
            up = flooded(rng, aircraft, rate) + pilot.control(now)
            sent += 1
            aircraft.receive(up + refusing_none(pilot, mavlink_frame(rng, sent), now), now)
            pilot.receive(aircraft.control(now), now)
            pilot.listener.tick(now)
        said = aircraft.announcer.close(now)
        aircraft = in_place_of(world, aircraft, now)
        pilot.receive(said, now)
    assert len(aircraft.commands) == sent
    assert aircraft.drops["over_budget"] > rate


def flooded(rng: random.Random, aircraft: Aircraft, rate: int) -> list[bytes]:
    """The share of a twentieth of a second: commands and challenges of instances that nobody knows."""
    session_id, epoch = aircraft.announcer.session_id, aircraft.announcer.epoch
    lanes = (Lane.UPLINK, Lane.CONTROL)
    kids = (uplink_kid(lanes[n % 2], 1, session_id, epoch, rng.randbytes(5)) for n in range(rate // 20))
    return [sframe.encode_header(kid, 0) + rng.randbytes(60) for kid in kids]


# --- nonces ---


def sealed_by(aircraft: Aircraft, datagram: bytes, now: float) -> tuple[bytes, bytes]:
    """(AES key, nonce) of an uplink datagram."""
    kid, ctr, _ = sframe.decode_header(datagram[:13])
    bases = {epoch & 0xFF: keys for epoch, keys in aircraft.announcer.uplink_keys(now).items()}
    key, salt = keyring.derive(bases[kid >> 48 & 0xFF][kid >> 56 & 0xF], kid)
    return key, sframe.nonce(salt, ctr)


def crashes(seed: int) -> int:
    """Five minutes of crashes and restarts at either end, rekeys, lost grants, a copied folder; how much was sealed.

    And sessions in the place of others, and grounds that lose what they know of a session, and hear of it again.
    """
    rng = random.Random(seed)
    world = World(seed, roles=(PILOT, PILOT), policy=Policy(rekey_s=60, lead_s=2))
    aircraft, now = world.aircraft(), 0.0
    grounds = [world.station(1), world.station(1), world.station(2)]
    seen: set[tuple[bytes, bytes]] = set()
    total = 0
    while now < 300:
        now += 0.25
        if rng.random() < 0.003:
            aircraft = world.aircraft(now)
        elif rng.random() < 0.02:
            aircraft = in_place_of(world, aircraft, now)
        said = aircraft.control(now)
        grounds = [
            world.station(index) if rng.random() < 0.003 else ground
            for index, ground in zip((1, 1, 2), grounds, strict=True)
        ]
        for ground in grounds:
            if rng.random() < 0.02 and ground.listener.sessions:
                del ground.listener.sessions[rng.choice(list(ground.listener.sessions))]
                ground.control(now)
            ground.receive([datagram for datagram in said if rng.random() < 0.6], now)
            ground.listener.tick(now)
            up = ground.control(now)
            sealed = ground.seal([mavlink_frame(rng, total)], now)
            up += sealed if isinstance(sealed, list) else []
            current = [datagram for datagram in up if datagram[3] == aircraft.announcer.session_id[0]]
            pairs = [sealed_by(aircraft, datagram, now) for datagram in current if taken(aircraft, datagram, now)]
            seen.update(pairs)
            total += len(pairs)
            assert len(seen) == total, "a (key, nonce) pair sealed twice"
            aircraft.receive(up, now)
    return total


def in_place_of(world: World, former: Aircraft, now: float) -> Aircraft:
    made = world.after(former, now)
    made.uplink_opener, made.commands = UplinkOpener(made.announcer, former=former.uplink_opener), former.commands
    return made


def taken(aircraft: Aircraft, datagram: bytes, now: float) -> bool:
    return datagram[2] in {epoch & 0xFF for epoch in aircraft.announcer.uplink_keys(now)}


@pytest.mark.parametrize("seed", range(3))
def test_no_key_and_nonce_seal_twice_over_crashes_restarts_and_rekeys(seed: int):
    assert crashes(seed) > 1_000


@pytest.mark.soak
def test_no_key_and_nonce_seal_twice_in_many_schedules(figure):
    figure(f"uplink: {sum(crashes(seed) for seed in range(100, 160)):,} (key, nonce) pairs of 60 schedules, none twice")
