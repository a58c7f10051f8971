"""Which session of a device is commanded: SPEC.md section 7."""

from __future__ import annotations

from gateway.core.fleet import SILENT_AFTER_S
from tests.memory_link import Aircraft, Station, World, command, join, mavlink_frame


def commanded(station: Station) -> list[bytes]:
    return [commander.session.session_id for commander in station.fleet.commanded]


def talk(station: Station, aircraft: list[Aircraft], now: float, seconds: float) -> float:
    end = now + seconds
    while now < end:
        now += 0.05
        sent = station.control(now)
        for one in aircraft:
            one.receive(sent, now)
            station.receive(one.control(now), now)
    return now


def test_the_uplink_stays_while_the_old_session_beats_and_moves_when_it_is_silent():
    world = World(2)
    old, station = world.aircraft(), world.station(1)
    now = command(world, station, old, 0.0)
    new = world.aircraft(now)
    now = talk(station, [old, new], now, 5.0)
    assert commanded(station) == [old.announcer.session_id]
    assert station.listener.two_aircraft(now)
    assert all(commander.answered(now) for commander in station.fleet.commanders.values()), "both are challenged"
    now = talk(station, [new], now, SILENT_AFTER_S - 0.6)
    assert commanded(station) == [old.announcer.session_id]
    now = talk(station, [new], now, 1.0)
    assert commanded(station) == [new.announcer.session_id]
    frame = mavlink_frame(world.random, 1)
    new.receive(station.seal([frame], now), now)
    assert new.commands == [(1, frame)]


def test_the_uplink_moves_at_once_when_the_old_session_is_closed():
    world = World(3)
    old, station = world.aircraft(), world.station(1)
    now = command(world, station, old, 0.0)
    new = world.aircraft(now)
    now = talk(station, [old, new], now, 2.0)
    station.receive(old.announcer.close(now), now)
    station.control(now)
    assert commanded(station) == [new.announcer.session_id]


def test_an_aircraft_that_falls_silent_alone_stays_the_one_commanded():
    world = World(4)
    aircraft, station = world.aircraft(), world.station(1)
    now = join(world, station, aircraft, 0.0)
    now = talk(station, [], now, 60.0)
    assert commanded(station) == [aircraft.announcer.session_id]
    now = talk(station, [aircraft], now, 4.0)
    assert not isinstance(station.seal([mavlink_frame(world.random, 1)], now), str)
