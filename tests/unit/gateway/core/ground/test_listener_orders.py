"""Order pending: what a station does in a session under an order that it does not have, and how it gets that order."""

from __future__ import annotations

import dataclasses

import pytest

from gateway.core import order_fragments
from gateway.core.air.order_broadcaster import OrderBroadcaster
from gateway.core.drop_reason import DropReason
from keys.lanes import Lane
from tests.memory_link import LANES, OBSERVER, PILOT, Station, World, join, mavlink_frame, verified
from tests.unit.gateway.core.by_hand import Aboard, damaged, drops_of, ears, hear, the_session
from tests.unit.gateway.core.test_order_fragments import FRAGMENTS, ORDER

NEW_LANES = (*LANES, Lane.ORDER)


@pytest.fixture
def world() -> World:
    return World(3, roles=(PILOT, OBSERVER))


def amended(world: World, **changes):
    """The next order of the world, whose file is of paper; `world.order` stays what the stations have."""
    old = world.order.content
    return verified(dataclasses.replace(old, serial=old.serial + 1, previous=world.order.order_hash, **changes))


def under(world: World, order) -> World:
    """The same aircraft and stations, flying under `order`."""
    flying = World(4)
    flying.__dict__.update(world.__dict__)
    flying.order = order
    return flying


def frames_of(station: Station, aircraft, now: float) -> list[bytes]:
    station.frames.clear()
    frames = [mavlink_frame(station.listener_random, seq) for seq in range(3)]
    station.receive(aircraft.telemetry(frames, now), now)
    return station.frames if station.frames == frames else []


@pytest.fixture
def station(world: World) -> Station:
    station = world.station()
    station.listener_random = world.random
    return station


def test_a_pending_session_is_opened_as_far_as_it_was_granted(world, station):
    flying = under(world, amended(world, not_after=world.order.content.not_after + 60))
    aircraft = flying.aircraft(lanes=NEW_LANES)
    now = join(flying, station, aircraft, 0.0)
    assert the_session(station.listener).pending
    assert frames_of(station, aircraft, now)
    assert station.drops == {"not_granted": 1}  # the observers' copy


def test_it_waits_no_more_once_the_order_is_adopted(world, station):
    new = amended(world)
    aircraft = under(world, new).aircraft(lanes=NEW_LANES)
    now = join(world, station, aircraft, 0.0)
    station.listener.adopt(new)
    assert the_session(station.listener).order is new
    assert station.listener.order is new
    assert frames_of(station, aircraft, now)


def test_a_session_that_begins_after_the_order_came_never_waits(world, station):
    new = amended(world)
    station.listener.adopt(new)
    join(world, station, under(world, new).aircraft(), 0.0)
    assert not the_session(station.listener).pending


def test_an_aircraft_under_the_order_before_goes_on_and_starts_again(world, station):
    old = world.aircraft()
    now = join(world, station, old, 0.0)
    station.listener.adopt(amended(world))
    assert frames_of(station, old, now)
    again = world.aircraft(now)
    station.receive([*old.announcer.close(now), *again.control(now)], now)
    session = max(station.listener.sessions.values(), key=lambda session: session.boot_counter)
    assert (session.pending, session.order.order_hash) == (False, world.order.order_hash)
    assert frames_of(station, again, now)


def test_a_revoked_station_is_granted_nothing(world):
    observer = world.station(2)
    new = amended(world, stations=world.order.content.stations[:1])
    aircraft = under(world, new).aircraft(lanes=NEW_LANES)
    for step in range(100):
        observer.receive(aircraft.control(step / 20), step / 20)
    session = the_session(observer.listener)
    assert session.pending
    assert not session.granted
    assert 2 not in session.beat.fragments
    observer.receive(aircraft.telemetry([mavlink_frame(world.random, 0)], 5.0), 5.0)
    assert observer.frames == []


def test_a_role_that_was_added_opens_its_lane_while_pending(world):
    """The observer becomes a pilot."""
    stations = world.order.content.stations
    new = amended(world, stations=(stations[0], dataclasses.replace(stations[1], roles=PILOT, guard="pilot")))
    aircraft, station = under(world, new).aircraft(lanes=NEW_LANES), world.station(2)
    join(world, station, aircraft, 0.0)
    assert Lane.TELEMETRY in {lease.lane for leases in station.listener.leases.values() for lease in leases}


def test_under_an_order_that_is_here_no_lane_beyond_our_roles_is_granted(world):
    aboard = Aboard(world)
    parts = aboard.announce(aboard.announced(station=2))  # a commander's lanes for the observer
    ground = ears(world, 2)
    assert hear(ground, aboard.statement(), aboard.beat(), *parts)[2:] == [DropReason.BAD_GRANT] * len(parts)


def test_an_announcement_that_names_another_order_than_its_statement_is_refused(world):
    aboard = Aboard(world, order_hash=b"new" * 10 + b"..")
    parts = aboard.announce(aboard.announced())
    assert hear(ears(world), aboard.statement(), aboard.beat(), *parts)[-1] is DropReason.BAD_GRANT


def test_a_recording_of_a_session_under_an_older_order_is_refused_after_a_newer_was_heard(world):
    """A restarted station does not know the older order any more: the boot counter decides."""
    recorded = Aboard(world, boot=3)
    newer = under(world, amended(world))
    assert hear(ears(newer, boot=4), recorded.statement()) == [DropReason.OLDER_SESSION]


def carry(aircraft, station: Station, order, lane: Lane, now: float) -> None:
    carrier = OrderBroadcaster(aircraft.announcer, order, lane, now)
    while not carrier.rounds:
        now = max(now, carrier.next_due())
        station.receive(carrier.datagrams(now), now)


@pytest.mark.parametrize("lane", [Lane.EVIDENCE, Lane.ORDER])
def test_an_order_that_came_whole_is_handed_out_once(world, station, lane):
    aircraft = world.aircraft(lanes=NEW_LANES)
    now = join(world, station, aircraft, 0.0)
    assert station.listener.pop_candidate_order(now) is None
    carry(aircraft, station, ORDER, lane, now)
    assert station.listener.pop_candidate_order(now) == ORDER.raw
    assert station.listener.pop_candidate_order(now) is None
    assert station.drops == {}


def test_an_order_that_is_here_is_not_gathered(world, station):
    aircraft = world.aircraft(lanes=NEW_LANES)
    now = join(world, station, aircraft, 0.0)
    station.listener.adopt(dataclasses.replace(ORDER, content=amended(world).content))
    carry(aircraft, station, ORDER, Lane.ORDER, now)
    assert station.listener.pop_candidate_order(now) is None


def test_pieces_that_make_no_order_are_counted(world, station):
    aboard = Aboard(world)
    aboard.join(station)
    forged = [damaged(FRAGMENTS[0]), *FRAGMENTS[1:]]
    sealed = [aboard.sealed(Lane.EVIDENCE, b"\4" + piece, ctr) for ctr, piece in enumerate(forged)]
    assert drops_of(station, *sealed) == {DropReason.BAD_ORDER: 1}
    sealed = [aboard.sealed(Lane.EVIDENCE, b"\4" + piece, 50 + ctr) for ctr, piece in enumerate(FRAGMENTS)]
    assert drops_of(station, *sealed) == {}
    assert station.listener.pop_candidate_order(0.0) == ORDER.raw


def test_sessions_do_not_spoil_each_others_gathering(world, station):
    first, second = Aboard(world), Aboard(world, boot=2)
    for aboard in (first, second):
        aboard.join(station)
    half, other_half = FRAGMENTS[:1], FRAGMENTS[1:]
    station.receive([first.sealed(Lane.EVIDENCE, b"\4" + piece, ctr) for ctr, piece in enumerate(half)], 0.0)
    station.receive([second.sealed(Lane.EVIDENCE, b"\4" + bytes(16) + other_half[0][16:], 0)], 0.0)
    station.receive([first.sealed(Lane.EVIDENCE, b"\4" + piece, 9 + ctr) for ctr, piece in enumerate(other_half)], 0.0)
    assert station.listener.pop_candidate_order(0.0) == ORDER.raw
    assert order_fragments.name_of(FRAGMENTS[0]) == ORDER.order_hash[:16]
