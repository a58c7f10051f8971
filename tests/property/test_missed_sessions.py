"""Seeded schedules over changes of order of which a ground misses some, or is missed: SPEC.md section 4.7.

The law: under a flood without a key, all that a ground commands in a session arrives, if the aircraft knew that ground
in the first session; and a copied device key that speaks to the ground in between changes nothing of it.
"""

from __future__ import annotations

import random

import pytest

from gateway.core import sframe
from gateway.core.air.uplink_opener import UplinkOpener
from gateway.core.refusal import Refusal
from keys.lanes import Lane, uplink_kid
from tests.memory_link import PILOT, Aircraft, World, command, mavlink_frame
from tests.property.seeds import seeds

SEEDS = 12
CHANGES = 4
STEP_S = 0.05
RATE = 10_000  # forged commands a second
THIEF_BOOTS = 500  # ahead of the aircraft's
FORGOTTEN_AFTER_S = 15.0  # more than the 10 s for which a ground refuses earlier starts than one that is heard
LINKS = ((True, True), (False, True), (True, False), (False, False))  # whether the way up and the way down bring anything
FOR_S = (0.1, 0.5, 1.5, 4.0)  # one of these ways lasts


class Schedule:
    def __init__(self, seed: int) -> None:
        self.random, self.now = random.Random(seed), 0.0
        self.world = World(seed, roles=(PILOT,))
        self.aircraft, self.pilot = self.world.aircraft(), self.world.station(1)
        self.now = command(self.world, self.pilot, self.aircraft, 0.0)
        self.sent = self.arrived = 0  # of this session

    def change(self) -> None:
        """The closing beat may be lost."""
        closing = self.aircraft.announcer.close(self.now)
        former = self.aircraft
        self.aircraft = self.world.after(former, self.now)
        self.aircraft.uplink_opener = UplinkOpener(self.aircraft.announcer, former=former.uplink_opener)
        self.pilot.receive(self.random.choice(([], closing)), self.now)

    def fly(self, up: bool, down: bool, seconds: float, rate: int = 0) -> None:
        for _ in range(round(seconds / STEP_S)):
            self.now += STEP_S
            said = self.aircraft.control(self.now)
            self.pilot.receive(said if down else [], self.now)
            self.pilot.listener.tick(self.now)
            sealed = self.pilot.seal([mavlink_frame(self.random, 1)], self.now)
            legit = self.pilot.control(self.now) + ([] if isinstance(sealed, Refusal) else sealed)
            mine = [datagram for datagram in legit if datagram[3] == self.aircraft.announcer.session_id[0]]
            self.sent += len(mine)
            before = self.aircraft.uplink_opener.opened[1]
            self.aircraft.receive(forged(self.random, self.aircraft, rate) + (mine if up else []), self.now)
            self.arrived += self.aircraft.uplink_opener.opened[1] - before

    def thief_speaks(self) -> None:
        """A copy of the device's key on another computer is heard, granted and answered by the ground for a moment."""
        boots, self.world.boots = self.world.boots, self.world.boots + THIEF_BOOTS
        thief = self.world.aircraft(self.now)
        self.world.boots = boots
        for _ in range(10):
            self.now += STEP_S
            thief.receive(self.pilot.control(self.now), self.now)
            self.pilot.receive(self.aircraft.control(self.now) + thief.control(self.now), self.now)
        assert thief.uplink_opener.opened[1], "an instance of ours is known to it"
        self.fly(True, True, FORGOTTEN_AFTER_S)


def forged(rng: random.Random, aircraft: Aircraft, rate: int) -> list[bytes]:
    session_id, epoch = aircraft.announcer.session_id, aircraft.announcer.epoch
    kids = (uplink_kid(Lane.CONTROL, 1, session_id, epoch, rng.randbytes(5)) for _ in range(round(rate * STEP_S)))
    return [sframe.encode_header(kid, 0) + rng.randbytes(60) for kid in kids]


def schedule(seed: int, *, thief: bool = False) -> tuple[int, int]:
    """How many datagrams the pilot sealed in the last session, and how many of them arrived."""
    flight = Schedule(seed)
    for _ in range(CHANGES):
        if thief:
            flight.thief_speaks()
        flight.change()
        for _ in range(2):
            flight.fly(*flight.random.choice(LINKS), flight.random.choice(FOR_S))
    flight.change()
    flight.sent = flight.arrived = 0
    flight.fly(True, True, 5.0, RATE)
    return flight.sent, flight.arrived


@pytest.mark.parametrize("seed", seeds(4, SEEDS))
def test_whichever_sessions_were_missed_a_flood_takes_no_command_in_the_next_one(seed: int):
    sent, arrived = schedule(seed)
    assert sent == arrived > 20


@pytest.mark.parametrize("seed", range(3))
def test_nor_if_a_copied_key_speaks_before_each_change(seed: int):
    sent, arrived = schedule(seed, thief=True)
    assert sent == arrived > 20


@pytest.mark.soak
def test_many_schedules_of_missed_sessions(figure):
    sealed = [schedule(seed, thief=seed % 4 == 0) for seed in range(1000, 1100)]
    assert all(sent == arrived > 20 for sent, arrived in sealed)
    total = sum(sent for sent, _ in sealed)
    figure(f"100 schedules of missed sessions: {total:,} datagrams up beside a flood, all arrived")
