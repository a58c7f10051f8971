"""A flight controller, and how long it is without its ground control station: real processes, a radio that loses.

    python -m pytest -m soak tests/system/test_handover.py

A stand-in for the flight controller notes when a frame came. What the clock showed is printed, never asserted;
tests/property/test_handover.py has the bound.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable

import pytest

from gateway.demo.stage import HOST, drain, drain_from, udp_socket
from tests.memory_link import mavlink_frame
from tests.property.handover import FRAME_EVERY_S, FRAMES_A_HEARTBEAT, HEARTBEAT, STEERING, longest_gap
from tests.property.test_handover import spread
from tests.relay import Path, Weather
from tests.system.house import Flight
from tests.system.test_order_change import amend, load

WEATHER = Weather(loss=0.2, delay_ms=50)
RUNS = 20
STEADY_S, AFTER_S, GIVE_UP_S = 3.0, 8.0, 60.0
FC_EVERY_S = 0.05

pytestmark = [pytest.mark.soak, pytest.mark.alone]


class Stand:
    """The flight controller and the ground control station of a flight, and the weather over its radio."""

    def __init__(self, flight: Flight) -> None:
        self.flight, self.fc, self.random = flight, udp_socket(), random.Random(1)
        self._down = {port: Path(WEATHER, self.random.getrandbits(32)) for port in flight.radio.listeners}
        self._up = Path(WEATHER, self.random.getrandbits(32))
        self.times: list[float] = []  # of frames of the ground control station
        self.heartbeats: list[float] = []
        self.sent_at: list[float] = []  # when the aircraft said something
        self._numbers, self._frames = itertools.count(), itertools.count()
        self._fc_at = self._gcs_at = 0.0
        flight.step_more, flight.radio.relay = self.step, self.relay  # type: ignore[method-assign]

    def relay(self) -> None:
        radio, now = self.flight.radio, time.monotonic()
        for datagram, sender in drain_from(radio.socket):
            if sender[1] in self._down:
                self._up.put(datagram, now)
                continue
            radio._aircraft = sender
            self.sent_at.append(now)
            for path in self._down.values():
                path.put(datagram, now)
        for datagram in self._up.due(now):
            radio.send_up(datagram)
        for port, path in self._down.items():
            for datagram in path.due(now):
                radio.socket.sendto(datagram, (HOST, port))

    def step(self) -> None:
        now = time.monotonic()
        for frame in drain(self.fc):
            self.times.append(now)
            if frame == HEARTBEAT:
                self.heartbeats.append(now)
        if now >= self._fc_at:
            self._fc_at = now + FC_EVERY_S
            self.fc.sendto(mavlink_frame(self.random, next(self._numbers)), (HOST, self.flight.fc_port))
        if now >= self._gcs_at:
            self._gcs_at = max(self._gcs_at + FRAME_EVERY_S, now)
            frame = STEERING if next(self._frames) % FRAMES_A_HEARTBEAT else HEARTBEAT
            self.flight.stations["pilot"].command(frame)


def change(stand: Stand) -> None:
    house = stand.flight.house
    amend(house, "extend", "--hours", "1")
    load(stand.flight)
    (house.folder / "new.order").replace(house.order)


def restart(stand: Stand) -> None:
    stand.flight.air.end()
    stand.flight.start_air()


def kill(stand: Stand) -> None:
    stand.flight.air.kill()
    stand.flight.start_air()


@pytest.mark.parametrize("happens", [change, restart, kill])
def test_a_flight_controller_is_not_left_alone(fly, figure, happens: Callable[[Stand], None]):
    flight = fly(("pilot", "observer"))
    stand = Stand(flight)
    assert flight.until(lambda: bool(stand.times)), flight.logs()
    frames, heartbeats, silences = [], [], []
    for _ in range(RUNS):
        flight.run(STEADY_S + stand.random.random())
        begin = time.monotonic()
        happens(stand)
        flight.run(AFTER_S)
        assert flight.until(lambda: stand.times[-1] > begin + AFTER_S / 2, GIVE_UP_S), flight.logs()  # noqa: B023 - called here
        frames.append(longest_gap(stand.times, begin, time.monotonic()))
        heartbeats.append(longest_gap(stand.heartbeats, begin, time.monotonic()))
        silences.append(longest_gap(stand.sent_at, begin, time.monotonic()))
    what = f"{happens.__name__}, {RUNS} with processes at {WEATHER.loss:.0%} loss, 50 ms each way, longest time without"
    figure(f"{what} a frame of the GCS, 10 a second: {spread(frames)}")
    figure(f"{what} its heartbeat, 1 a second: {spread(heartbeats)}; a word of the aircraft: {spread(silences)}")
    later = [frame - silence for frame, silence in zip(frames, silences, strict=True)]
    figure(f"{what} a frame of the GCS, beyond what the aircraft itself was silent: {spread(later)}")
    stand.fc.close()
