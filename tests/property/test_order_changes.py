"""Seeded schedules over changes of order: what goes on in the session before comes once, in time, and from who may."""

from __future__ import annotations

import dataclasses
import random

import pytest

from gateway.core.air.uplink_opener import UplinkOpener
from gateway.core.refusal import Refusal
from keys.lanes import Role
from tests.memory_link import OBSERVER, PILOT, Aircraft, Station, World, lossy, mavlink_frame, verified
from tests.property.seeds import seeds

SEEDS = 20
STEPS, STEP_S = 800, 0.1
CHANGE_EVERY_S = 4.0
DELAYS_S = (0.0, 0.0, 0.0, 0.1, 1.0, 2.5, 5.0)


class Schedule:
    """Two pilots over a bad radio that delays and repeats; every 4 s the order drops, demotes or takes up the second."""

    def __init__(self, seed: int) -> None:
        self.random, self.now = random.Random(seed), 0.0
        self.world = World(seed, roles=(PILOT, PILOT))
        self.listed = self.world.order.content.stations
        self.aircraft: Aircraft = self.world.aircraft()
        self.stations = {index: self.world.station(index) for index in (1, 2)}
        self.order_of = dict.fromkeys((1, 2), self.world.order)
        self.air = lossy(self.random, loss=self.random.random() * 0.3, duplicate=0.2, swap=0.1)
        self.sent: dict[tuple[int, bytes], tuple[float, int]] = {}  # when, and in which session by its number
        self.sessions = {self.aircraft.announcer.session_id: 0}
        self.flying: list[tuple[float, bytes]] = []
        self.newest = {1: 0, 2: 0}  # the session of the newest frame that arrived
        self.arrived = self.went_on = 0

    def change(self) -> None:
        first, second = self.listed
        kinds = ((first, second), (first, dataclasses.replace(second, roles=OBSERVER, guard="observer")), (first,))
        old, stations = self.world.order.content, self.random.choice(kinds)
        self.world.order = verified(dataclasses.replace(old, serial=old.serial + 1, stations=stations))
        former = self.aircraft
        said = former.announcer.close(self.now)
        self.aircraft = self.world.after(former, self.now)
        self.aircraft.uplink_opener = UplinkOpener(self.aircraft.announcer, former=former.uplink_opener)
        self.sessions[self.aircraft.announcer.session_id] = len(self.sessions)
        for station in self.stations.values():
            station.receive(self.air(said), self.now)

    def step(self, number: int) -> None:
        self.now += STEP_S
        if number % round(CHANGE_EVERY_S / STEP_S) == 0:
            self.change()
        down = self.aircraft.control(self.now)
        for index, station in self.stations.items():
            self._adopt(index, station)
            station.receive(self.air(down), self.now)
            station.listener.tick(self.now)
            self._up(index, station, number)
        due = [datagram for at, datagram in self.flying if at <= self.now]
        self.flying = [(at, datagram) for at, datagram in self.flying if at > self.now]
        self.aircraft.receive(due, self.now)
        self._look()

    def _adopt(self, index: int, station: Station) -> None:
        """The order comes after a while, if it lists the station."""
        newest = self.world.order
        lists = any(listed.index == index for listed in newest.content.stations)
        if lists and self.order_of[index] is not newest and self.random.random() < 0.1:
            self.order_of[index] = newest
            station.listener.adopt(newest)
            station.sessions.adopt(newest)

    def _up(self, index: int, station: Station, number: int) -> None:
        up, frame = station.control(self.now), mavlink_frame(self.random, number)
        sealed = station.seal([frame], self.now)
        if not isinstance(sealed, Refusal):
            (commanded,) = station.sessions.commanded
            self.sent[index, frame] = self.now, self.sessions[commanded.session.session_id]
            up += sealed
        self.flying += [(self.now + self.random.choice(DELAYS_S), datagram) for datagram in self.air(up)]

    def _look(self) -> None:
        may = {s.index for s in self.world.order.content.stations if s.roles & Role.COMMAND}
        for index, frame in self.aircraft.commands:
            at, session = self.sent.pop((index, frame))  # KeyError: it was never sent, or came twice
            assert self.now - at <= 3.0 + 2 * STEP_S, "a frame came too late"
            assert index in may, "a frame of a station that may not command any more"
            assert session >= self.newest[index], "a frame of an earlier session than the last one"
            self.newest[index] = session
            self.arrived += 1
            self.went_on += session != len(self.sessions) - 1
        self.aircraft.commands.clear()


def schedule(seed: int) -> Schedule:
    made = Schedule(seed)
    for number in range(1, STEPS):
        made.step(number)
    return made


@pytest.mark.parametrize("seed", seeds(8, SEEDS))
def test_over_changes_of_order_a_bad_radio_only_loses(seed: int):
    schedule(seed)


def test_schedules_do_deliver_in_both_sessions():
    flown = [schedule(seed) for seed in range(3)]
    assert sum(each.arrived for each in flown) > 500
    assert sum(each.went_on for each in flown) > 50


@pytest.mark.soak
def test_many_schedules_over_changes_of_order(figure):
    flown = [schedule(seed) for seed in range(1_000, 1_300)]
    arrived, went_on = sum(each.arrived for each in flown), sum(each.went_on for each in flown)
    changes = sum(len(each.sessions) - 1 for each in flown)
    figure(
        f"{changes:,} changes of order in 300 schedules: {arrived:,} commands arrived, {went_on:,} of them in the session"
        " before, each once, within fresh_ms, and from who may command"
    )
