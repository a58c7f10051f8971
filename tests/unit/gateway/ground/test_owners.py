"""What a station remembers and tells of its aircraft's system ids. The folder is a real one."""

from __future__ import annotations

import dataclasses

import pytest

from gateway.ground.owners import Owners
from gateway.report.alarms import Alarms
from keys.folders.station import StationFolder
from keys.grant import Profile
from tests.agency import harbour
from tests.hostile.fleet import Two, beat, position
from tests.memory_link import verified
from tests.unit.keys.disk import full_disk


@pytest.fixture
def station(tmp_path) -> StationFolder:
    StationFolder.init(tmp_path / "pilot", "pilot", Profile.X25519, [harbour().root])
    return StationFolder.open(tmp_path / "pilot")


@pytest.fixture
def alarms() -> Alarms:
    return Alarms(lambda _: None)


def owners_of(two: Two, station: StationFolder) -> Owners:
    return Owners(two.pilot.sessions.systems, two.pilot.listener, station)


def fly(two: Two, *systems: int) -> None:
    two.talk(1.0)
    for aircraft, system in zip(two.both, systems, strict=False):
        two.down(aircraft, beat(system))


def test_what_was_learned_is_there_after_a_restart(station):
    two = Two()
    owners = owners_of(two, station)
    fly(two, 1, 2)
    owners.record()
    agency_id, first = two.world.order.agency_id, two.world.order.content.devices[0]
    station.record_boot(agency_id, first.pub, 41, b"session", 9)
    assert station.store_heard() is None
    again = Two()
    again.world.order = two.world.order
    again.pilot = again.world.station(1)
    owners_of(again, StationFolder.open(station.path))
    first, second = two.world.order.content.devices
    assert [again.pilot.sessions.systems.owner(system) for system in (1, 2)] == [first.pub, second.pub]
    assert again.pilot.listener.starts.left(first.pub, b"session").seq == 9


def test_a_folder_that_cannot_be_written_stops_nothing(station):
    two = Two()
    owners = owners_of(two, station)
    with full_disk():
        fly(two, 1, 2)
        owners.record()
        assert "cannot be written" in station.store_heard()
    assert two.down(two.second, position(1)) == []
    assert two.down(two.first, position(1)) == [position(1)]
    assert station.store_heard() is None
    assert station.system(two.world.order.agency_id, two.world.order.content.devices[0].pub) == 1


def test_a_second_claimant_is_named_in_an_alarm(station, alarms):
    two = Two()
    owners = owners_of(two, station)
    fly(two, 1, 1)
    for _ in range(2):
        two.down(two.second, position(1))
        owners.alarm(alarms, two.now)
    (text,) = alarms.texts
    assert text.startswith("aircraft 'drone-2' sends as system 1, which is that of 'drone': dropped.")


def test_what_is_foreign_is_named_by_device_and_kind(station):
    two = Two(((1,), (2,)))
    owners = owners_of(two, station)
    fly(two)
    for system in range(3, 40):
        two.down(two.first, position(system), position(system))
    foreign = owners.foreign()["drone"]
    assert foreign["system 3, GLOBAL_POSITION_INT"] == 2
    assert (len(foreign), foreign["others"]) == (33, 10)


def test_a_revoked_aircraft_that_is_heard_is_an_alarm(station, alarms):
    two = Two()
    owners = owners_of(two, station)
    fly(two, 1, 2)
    first, second = two.world.order.content.devices
    devices = (first, dataclasses.replace(second, void=True))
    two.pilot.listener.adopt(verified(dataclasses.replace(two.world.order.content, serial=2, devices=devices)))
    two.talk(2.0)
    owners.alarm(alarms, two.now)
    assert alarms.texts == [
        "the revoked aircraft 'drone-2' is heard: somebody who has it, or its key, transmits; nothing from it is accepted"
    ]
