"""How an order goes up, to whom, and what a station may say in a session under an order that it does not have."""

from __future__ import annotations

import dataclasses

import pytest

from gateway.batch import Batch
from gateway.core.drop_reason import DropReason
from gateway.core.ground.order_uploader import GIVE_UP_AFTER_S, PENDING_FOR_S
from gateway.core.order_fragments import Gathering
from gateway.core.refusal import Refusal
from gateway.core.wire import Control
from keys.lanes import Lane, Role
from tests.memory_link import LANES, OBSERVER, PILOT, World, join, mavlink_frame
from tests.unit.gateway.core.ground.test_listener_orders import amended, under
from tests.unit.gateway.core.test_order_fragments import FRAGMENTS, ORDER

HEADQUARTERS = Role.TELEMETRY | Role.CONTROL


@pytest.fixture
def world() -> World:
    return World(3, roles=(PILOT, OBSERVER, HEADQUARTERS))


def with_file(order):
    """`order` with a file that fits the link; what is in it is not looked at here."""
    return dataclasses.replace(order, raw=ORDER.raw, order_hash=ORDER.order_hash)


def carried(aircraft, station, begin: float, end: float) -> list[tuple[float, int, bytes]]:
    """(time, station, fragment) that the aircraft accepts while both sides do what is due."""
    out, now = [], begin
    while now < end:
        station.receive(aircraft.control(now), now)
        batch = Batch()
        for datagram in station.control(now):
            batch.append(datagram)
        accepted = aircraft.uplink_opener.open(batch, now)
        out += [(now, sender, content) for sender, kind, content in accepted.control if kind is Control.ORDER_FRAGMENT]
        now += 0.05
    return out


def adopt(station, order) -> None:
    station.listener.adopt(order)
    station.sessions.adopt(order)


@pytest.mark.parametrize("index", [1, 3], ids=["commander", "headquarters"])
def test_a_newer_order_goes_up_whole(world, index):
    aircraft, station = world.aircraft(), world.station(index)
    now = join(world, station, aircraft, 0.0)
    assert carried(aircraft, station, now, now + 2.0) == []
    adopt(station, with_file(amended(world)))
    fragments = carried(aircraft, station, now + 2.0, now + 6.0)
    assert [content for _, _, content in fragments] == FRAGMENTS
    assert {sender for _, sender, _ in fragments} == {index}
    gathering = Gathering()
    assert [gathering.add(content) for _, _, content in fragments][-1] == ORDER.raw


def test_an_observer_carries_nothing(world):
    aircraft, station = world.aircraft(), world.station(2)
    now = join(world, station, aircraft, 0.0)
    adopt(station, with_file(amended(world)))
    assert carried(aircraft, station, now, now + 6.0) == []


def test_what_an_observer_forges_is_refused_aboard(world):
    aircraft, station = world.aircraft(), world.station(2)
    now = join(world, station, aircraft, 0.0)
    station.control(now)
    (commander,) = station.sessions.commanders.values()
    batch = Batch()
    batch.append(commander.carry(FRAGMENTS[0], now))
    assert aircraft.uplink_opener.open(batch, now).control == []
    assert +aircraft.uplink_opener.drops == {DropReason.NOT_PERMITTED: 1}


def test_it_is_repeated_for_a_minute_and_ends_when_the_order_is_in_force(world):
    aircraft, station = world.aircraft(), world.station()
    now = join(world, station, aircraft, 0.0)
    new = with_file(amended(world))
    adopt(station, new)
    times = [at for at, _, _ in carried(aircraft, station, now, now + GIVE_UP_AFTER_S + 20)]
    assert len(times) >= 10 * len(FRAGMENTS)
    assert times[-1] <= now + GIVE_UP_AFTER_S + 1
    next_one = under(world, new).aircraft()
    later = join(world, station, next_one, times[-1] + 30)
    assert carried(next_one, station, later, later + 6.0) == []


def test_in_a_pending_session_nothing_is_said_but_after_a_while_our_order(world):
    """After a restart it may be this station that has the newer one."""
    flying = under(world, amended(world))
    aircraft, station = flying.aircraft(lanes=(*LANES, Lane.ORDER)), world.station()
    adopt(station, dataclasses.replace(world.order, raw=ORDER.raw, order_hash=ORDER.order_hash))
    now = join(world, station, aircraft, 0.0)
    assert carried(aircraft, station, now, now + PENDING_FOR_S - 0.1) == []
    assert aircraft.uplink_opener.opened == {}
    assert station.sessions.refusal(now) is Refusal.PENDING
    fragments = carried(aircraft, station, now + PENDING_FOR_S, now + PENDING_FOR_S + 3)
    assert [content for _, _, content in fragments] == FRAGMENTS


def test_a_pending_session_is_commanded_once_its_order_came(world):
    new = amended(world)
    aircraft, station = under(world, new).aircraft(lanes=(*LANES, Lane.ORDER)), world.station()
    now = join(world, station, aircraft, 0.0)
    carried(aircraft, station, now, now + 1.0)
    assert aircraft.announcer.freshness.challenges(now + 1.0) == {}
    adopt(station, new)
    carried(aircraft, station, now + 1.0, now + 3.0)
    assert set(aircraft.announcer.freshness.challenges(now + 3.0)) == {1}
    assert station.sessions.seal([mavlink_frame(world.random, 0)], now + 3.0).sent == 1


def test_each_session_is_commanded_by_the_order_that_it_flies_under(world):
    """The pilot is none any more under the newest order; the aircraft has not got that yet."""
    aircraft, station = world.aircraft(), world.station()
    now = join(world, station, aircraft, 0.0)
    carried(aircraft, station, now, now + 2.0)
    first, *others = world.order.content.stations
    demoted = dataclasses.replace(first, roles=OBSERVER, guard="observer")
    adopt(station, with_file(amended(world, stations=(demoted, *others))))
    carried(aircraft, station, now + 2.0, now + 3.0)
    assert station.sessions.seal([mavlink_frame(world.random, 0)], now + 3.0).sent == 1
