"""A station's request about what is recorded, from its uplink to the beat that confirms it."""

from __future__ import annotations

import pytest

from gateway.core.air.uplink_opener import StationMessage
from gateway.core.aircraft_state import AircraftState
from gateway.core.ground.record_request import GIVE_UP_AFTER_S, RecordRequest
from gateway.core.record_outcome import Outcome
from gateway.core.wire import Control
from keys.lanes import Role
from tests.memory_link import OBSERVER, PILOT, World, batches, command, join

CONTROL = Role.TELEMETRY | Role.CONTROL


class Asking:
    """A station of these roles and its aircraft, which does what it is asked once `heeds` says so."""

    def __init__(self, roles: Role) -> None:
        self.world = World(roles=(roles,))
        self.aircraft, self.station = self.world.aircraft(), self.world.station(1)
        self.came: list[StationMessage] = []
        self.heeds = True
        reach = command if roles & Role.COMMAND else join
        self.now = reach(self.world, self.station, self.aircraft, 0.0)
        self.station.sessions.follow(self.station.listener.sessions.values(), self.now)

    def ask(self, *, on: bool) -> RecordRequest:
        (commander,) = self.station.sessions.commanded
        request = RecordRequest(self.now, on=on)
        self.station.sessions.record_requests[commander.session.device_public] = request
        return request

    def talk(self, seconds: float, *, loses: bool = False) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += 0.1
            for batch in batches(self.station.control(self.now)):
                if not loses:
                    self._hear(self.aircraft.uplink_opener.open(batch, self.now).control)
            self.station.receive(self.aircraft.control(self.now), self.now)

    def _hear(self, messages: list[StationMessage]) -> None:
        for message in messages:
            self.came.append(message)
            if self.heeds:
                on = message.content == b"\1"
                said = AircraftState(recorded=0b11 if on else 0b1, paused_by=None if on else message.station)
                self.aircraft.announcer.state = said


@pytest.mark.parametrize("roles", [PILOT, CONTROL])
@pytest.mark.parametrize("on", [True, False])
def test_it_is_repeated_until_a_beat_confirms_it(roles: Role, on: bool):
    asking = Asking(roles)
    asking.heeds = False
    request = asking.ask(on=on)
    asking.talk(3.0)
    assert 5 <= len(asking.came) <= 7
    assert {*asking.came} == {(1, Control.RECORD, bytes([on]))}
    assert request.outcome is Outcome.ASKING
    asking.heeds = True
    asking.talk(2.0)
    assert request.outcome is Outcome.CONFIRMED
    before = len(asking.came)
    asking.talk(5.0)
    assert len(asking.came) == before


def test_what_no_beat_confirms_is_given_up():
    asking = Asking(PILOT)
    request = asking.ask(on=False)
    asking.talk(GIVE_UP_AFTER_S + 1, loses=True)
    assert request.outcome is Outcome.UNCONFIRMED
    asking.talk(5.0)
    assert asking.came == []


def test_a_lossy_link_is_enough():
    asking = Asking(PILOT)
    request = asking.ask(on=False)
    for _ in range(6):
        asking.talk(0.6, loses=True)
    asking.talk(2.0)
    assert request.outcome is Outcome.CONFIRMED


def test_a_pause_of_another_station_confirms_none():
    asking = Asking(PILOT)
    asking.heeds = False
    asking.aircraft.announcer.state = AircraftState(recorded=0b1, paused_by=2)
    request = asking.ask(on=False)
    asking.talk(3.0)
    assert request.outcome is Outcome.ASKING


def test_an_observer_asks_nothing_and_an_aircraft_that_is_not_heard_is_waited_for():
    asking = Asking(OBSERVER)
    request = asking.ask(on=False)
    asking.talk(GIVE_UP_AFTER_S + 1)
    assert (asking.came, request.outcome) == ([], Outcome.UNCONFIRMED)
    late = RecordRequest(0.0, on=True)
    assert late.datagrams(None, 1.0) == []
    assert late.outcome is Outcome.ASKING
    assert late.datagrams(None, GIVE_UP_AFTER_S + 1) == []
    assert late.outcome is Outcome.UNCONFIRMED
