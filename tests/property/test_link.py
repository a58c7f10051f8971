"""Seeded schedules between a sealer and its openers, in memory. DESIGN.md's invariants."""

from __future__ import annotations

import random

import pytest

from gateway.core import sframe
from gateway.core.air.announcer import REKEY_AFTER_PACKETS, Phase
from gateway.core.wire import Kind
from keys.grant import Profile
from keys.keyring import REJECT_AFTER_PACKETS, KeyExhausted, SendKey
from keys.lanes import Lane, Role
from keys.order import Policy
from tests.memory_link import OBSERVER, PILOT, Aircraft, Station, World, join, lossy, mavlink_frame

SEEDS = 40  # schedules of each kind here; `make soak` runs thousands (test_many_schedules)


def fly(world: World, aircraft: Aircraft, stations: list[Station], seconds: float, air, now: float = 0.0):
    """Control, telemetry and video for a while; returns (frames sent, video sent, wire, time)."""
    rng, frames, video, wire, seq = world.random, [], [], [], 0
    end = now + seconds
    while now < end:
        fresh = [mavlink_frame(rng, seq + i) for i in range(rng.randrange(4))]
        seq += len(fresh)
        packets = [rng.randbytes(rng.randrange(1, 1400)) for _ in range(rng.randrange(6))]
        sent = aircraft.control(now) + aircraft.telemetry(fresh, now) + aircraft.seal(Lane.VIDEO_A, packets)
        frames += fresh
        video += packets
        wire += sent
        for station in stations:
            station.receive(air(sent), now)
            station.listener.tick(now)
        now += 0.05
    return frames, video, wire, now


def is_subsequence(part: list[bytes], whole: list[bytes]) -> bool:
    rest = iter(whole)
    return all(item in rest for item in part)


@pytest.mark.parametrize("profile", [Profile.X_WING, Profile.X25519, Profile.P_384])
def test_nothing_is_lost_or_changed_on_a_clean_link(profile):
    world = World(1, profile=profile)
    aircraft, pilot, observer = world.aircraft(), world.station(1), world.station(2)
    now = max(join(world, station, aircraft, 0.0) for station in (pilot,))
    now = join(world, observer, aircraft, now + 0.5)
    frames, video, _, _ = fly(world, aircraft, [pilot, observer], 3, lambda sent: sent, now)
    for station in (pilot, observer):
        assert station.frames == frames
        assert station.video[Lane.VIDEO_A] == video
    assert pilot.drops.keys() <= {"unknown_kid", "not_granted"}  # the observers' telemetry lane


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_bad_link_only_loses(seed):
    hostile_schedule(seed)


def hostile_schedule(seed: int) -> None:
    rng = random.Random(seed)
    world = World(seed, policy=Policy(rekey_s=60))
    aircraft, stations = world.aircraft(), [world.station(1), world.station(2)]
    air = lossy(rng, loss=rng.random() * 0.4, duplicate=0.1, swap=0.1, damage=0.05)
    frames, video, wire, now = fly(world, aircraft, stations, 5, air)
    for station in stations:
        assert len(set(station.frames)) == len(station.frames), "a frame came twice"
        assert set(station.frames) <= set(frames), "a frame came that was never sent"
        assert set(station.video[Lane.VIDEO_A]) <= set(video)
        assert len(station.video[Lane.VIDEO_A]) == len(set(station.video[Lane.VIDEO_A]))
    restarted, second = world.aircraft(now), [world.station(1, _heard_later(world)) for _ in stations]
    for station in (*stations, *second):
        before = len(station.frames)
        station.receive(rng.sample(wire, min(len(wire), 200)), now)  # a recording of the first session
        if station in second:
            assert len(station.frames) == before, "a frame of an earlier session came through"
    fly(world, restarted, stations, 3, lambda sent: sent, now)
    for station in stations:
        assert sum(s.granted and s.alive(now + 3) for s in station.listener.sessions.values()) == 1


def _heard_later(world: World) -> dict[bytes, tuple[int, bytes]]:
    """What a restarted station remembers that has heard the next session."""
    return {device.pub: (world.boots, b"later") for device in world.order.content.devices}


@pytest.mark.parametrize("seed", range(SEEDS))
def test_order_is_kept_under_loss(seed):
    world = World(seed)
    aircraft, pilot = world.aircraft(), world.station(1)
    now = join(world, pilot, aircraft, 0.0)
    frames, video, _, _ = fly(world, aircraft, [pilot], 3, lossy(random.Random(seed), loss=0.3), now)
    assert is_subsequence(pilot.frames, frames)
    assert is_subsequence(pilot.video[Lane.VIDEO_A], video)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_key_and_nonce_twice_over_restarts_and_rekeys(seed):
    """Every sealed datagram of many sessions: the pair (session, KID and CTR) names it alone; keys are fresh."""
    world, rng = World(seed, policy=Policy(rekey_s=60)), random.Random(seed)
    names: set[tuple[bytes, bytes]] = set()
    base: set[bytes] = set()
    now = 0.0
    for _ in range(4):
        aircraft = world.aircraft(now)
        for _ in range(rng.randrange(1, 60)):
            wire = aircraft.control(now) + aircraft.seal(Lane.VIDEO_A, [b"x" * 40] * rng.randrange(1, 64))
            for datagram in wire:
                if datagram[0] >> 4 == sframe.DOWNLINK_FIRST >> 4:
                    _, _, size = sframe.decode_header(datagram[:7])
                    name = (aircraft.announcer.session_id, datagram[:size] + bytes([aircraft.announcer.epoch]))
                    assert name not in names
                    names.add(name)
            now += rng.choice((0.01, 0.5, 7.0))
        for key in aircraft.announcer.current.send_keys.values():
            assert key.salt not in base
            base.add(key.salt)
        now += 1


def test_rekey_loses_nothing():
    world = World(3, policy=Policy(rekey_s=60, lead_s=5))
    aircraft, pilot = world.aircraft(), world.station(1)
    now = join(world, pilot, aircraft, 0.0)
    frames, video, _, _ = fly(world, aircraft, [pilot], 200, lambda sent: sent, now)
    assert aircraft.announcer.epoch == 3
    assert pilot.frames == frames
    assert pilot.video[Lane.VIDEO_A] == video


def test_late_joiner_opens_from_the_moment_it_joins():
    world = World(4)
    aircraft, late = world.aircraft(), world.station(2)
    fly(world, aircraft, [], 30, lambda sent: sent)
    now = join(world, late, aircraft, 30.0)
    assert now - 30.0 <= world.order.content.policy.announce_s + 1
    frames, _, _, _ = fly(world, aircraft, [late], 2, lambda sent: sent, now)
    assert late.frames == frames


def test_what_was_sent_before_a_station_joined_cannot_be_played_to_it():
    """A station that restarts within an epoch remembers no window: the recording of it all must not pass for live."""
    world = World(11)
    aircraft, pilot = world.aircraft(), world.station(1)
    now = join(world, pilot, aircraft, 0.0)
    frames, _, wire, now = fly(world, aircraft, [pilot], 30, lambda sent: sent, now)
    assert pilot.frames == frames
    again = world.station(1)
    now = join(world, again, aircraft, now)
    again.receive(wire, now)
    assert again.frames == []
    assert again.video[Lane.VIDEO_A] == []
    frames, _, _, _ = fly(world, aircraft, [again], 2, lambda sent: sent, now)
    assert again.frames == frames


def test_exhausted_key_closes_the_lane_and_a_rekey_comes_long_before():
    key = SendKey(bytes(32), 0x1A4)
    key.next_ctr = REJECT_AFTER_PACKETS - 3
    assert key.reserve(3) == REJECT_AFTER_PACKETS - 3
    with pytest.raises(KeyExhausted):
        key.reserve(1)
    aircraft = World(5).aircraft()
    aircraft.announcer.current.send_keys[Lane.VIDEO_A].next_ctr = REKEY_AFTER_PACKETS
    aircraft.control(0.0)
    assert aircraft.announcer.phase is Phase.LEAD
    aircraft.control(aircraft.announcer.next_due() + 60)
    assert aircraft.announcer.epoch == 1


def test_a_session_that_ended_says_so_and_seals_no_more():
    world = World(6)
    aircraft, pilot = world.aircraft(), world.station(1)
    now = join(world, pilot, aircraft, 0.0)
    pilot.receive(aircraft.announcer.close(now), now)
    assert [session.closed for session in pilot.listener.sessions.values()] == [True]
    assert aircraft.announcer.send_key(Lane.VIDEO_A) is None
    assert aircraft.control(now + 10) == []


@pytest.mark.parametrize("link_bps", [57_600, 250_000, 8_000_000])
def test_announcements_stay_within_their_share_of_the_link(link_bps):
    world = World(7, roles=[PILOT, *[OBSERVER] * 14], profile=Profile.X_WING)
    aircraft = world.aircraft(link_bps=link_bps)
    sent, now = 0, 0.0
    while now < 100:
        sent += sum(len(d) for d in aircraft.control(now) if world.kind(d) in (Kind.STATEMENT, Kind.ANNOUNCEMENT))
        now += 0.05
    one_burst = max(link_bps * 0.05 / 8, 1208)
    beginning = 10 * link_bps * 0.2 / 8 if link_bps < 250_000 else 0.0  # the first ten seconds of a narrow link: a quarter
    most = 100 * link_bps * 0.05 / 8 + one_burst + beginning + 200  # the first statement goes ahead of its share
    assert 0 < sent <= most


@pytest.mark.parametrize("link_bps", [57_600, 8_000_000])
def test_next_due_never_sleeps_through_what_is_due(link_bps):
    """Driven only by its own deadlines the announcer says as much as when it is asked all the time."""
    lazy, eager = (World(8, profile=Profile.X_WING).aircraft(link_bps=link_bps) for _ in range(2))
    said_lazily, said_eagerly, now, wakes = 0, 0, 0.0, 0
    while now < 20:
        said_lazily += len(lazy.control(now))
        now, wakes = max(lazy.announcer.next_due(), now + 1e-6), wakes + 1
    for step in range(4000):
        said_eagerly += len(eager.control(step * 0.005))
    assert abs(said_lazily - said_eagerly) <= 3
    assert wakes < 400


def test_roles_decide_which_lanes_open():
    world = World(9, roles=[PILOT, OBSERVER, Role.TELEMETRY, Role.VIDEO, Role.WITNESS])
    aircraft = world.aircraft()
    stations = [world.station(i) for i in range(1, 6)]
    now = 0.0
    for station in stations:
        now = join(world, station, aircraft, now + 0.3)
    for lane in (Lane.TELEMETRY, Lane.OBSERVER_TELEMETRY):
        sealed = aircraft.seal(lane, [mavlink_frame(world.random, 0)])
        got = []
        for station in stations:
            before = len(station.frames)
            station.receive(sealed, now)
            got.append(len(station.frames) > before)
        assert got == ([True, False, False, False, False] if lane is Lane.TELEMETRY else [False, True, True, False, False])
    sealed = aircraft.seal(Lane.VIDEO_A, [b"picture"])
    for station, sees in zip(stations, [True, True, False, True, False], strict=True):
        station.receive(sealed, now)
        assert (station.video[Lane.VIDEO_A] == [b"picture"]) is sees


@pytest.mark.soak
def test_many_schedules(figure):
    for seed in range(1000, 4000):
        hostile_schedule(seed)
    figure("3000 schedules of loss, reorder, duplication, truncation, bit flips and restart")
