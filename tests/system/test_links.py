"""Several links, real processes: what one of them loses, delays or cuts is not missed as long as another is there."""

from __future__ import annotations

import json
import random
import socket
import time
from collections import deque

import pytest

from gateway.demo.stage import HOST, Radio, drain
from tests.memory_link import mavlink_frame
from tests.system.house import Flight, House, zegel
from tests.system.serial_radio import SerialRadio

FRAME_EVERY_S = 0.005
SLOWER_BY_S = 0.02


class SlowRadio(Radio):
    """A second way through the air: later by `SLOWER_BY_S`, and out of order now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.up = True
        self._on_its_way: deque[tuple[float, bytes]] = deque()

    def relay(self) -> None:
        now = time.monotonic()
        self._on_its_way.extend((now + SLOWER_BY_S, datagram) for datagram in drain(self.socket) if self.up)
        while self._on_its_way and self._on_its_way[0][0] <= now:
            self.send(self._on_its_way.popleft()[1])


class Traffic:
    """A flight controller that sends numbered frames at a steady pace."""

    def __init__(self, port: int) -> None:
        self.socket, self.port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), port
        self.every_s = FRAME_EVERY_S
        self.rng, self.sent, self.next = random.Random(7), [], time.monotonic()

    def step(self) -> None:
        while time.monotonic() >= self.next:
            self.next += self.every_s
            self.sent.append(mavlink_frame(self.rng, len(self.sent)))
            self.socket.sendto(self.sent[-1], (HOST, self.port))


@pytest.fixture
def two_links(fly):
    """A flight by a fast radio and a slow one, to one port of the station."""
    slow = SlowRadio()
    flight = fly(more=("--link", f"udpout:{HOST}:{slow.port}"))
    slow.listeners = flight.radio.listeners
    flight.step_more = slow.relay
    flight.wait_open()
    traffic = Traffic(flight.fc_port)

    def step() -> None:
        slow.relay()
        traffic.step()

    flight.step_more = step
    yield flight, slow, traffic
    traffic.socket.close()
    slow.socket.close()


def test_a_link_that_dies_and_returns_costs_no_frame_and_no_order(two_links):
    flight, slow, traffic = two_links
    pilot, fast = flight.stations["pilot"], flight.radio.listeners
    for fast_is_up, slow_is_up, seconds in (
        (True, True, 1.0),
        (False, True, 2.5),  # longer than a path counts as up
        (True, True, 1.0),
        (True, False, 2.5),
        (True, True, 1.0),
    ):
        flight.radio.listeners, slow.up = fast if fast_is_up else [], slow_is_up
        flight.run(seconds)
    traffic.next = float("inf")
    assert flight.until(lambda: len(pilot.frames) >= len(traffic.sent))
    assert pilot.frames == traffic.sent
    ground = next(s for s in json.loads(zegel("status", "--json")) if s["role"] == "ground")
    assert ground["drops"]["replayed"] > 500  # the second copies
    assert ground["reordered"] == 0


def test_what_the_fast_link_loses_the_slow_one_brings_in_its_place(two_links):
    flight, _, traffic = two_links
    pilot, rng, lossless = flight.stations["pilot"], random.Random(8), flight.radio.send
    flight.radio.send = lambda datagram: None if rng.random() < 0.3 else lossless(datagram)
    flight.run(3.0)
    traffic.next = float("inf")
    assert flight.until(lambda: len(pilot.frames) >= len(traffic.sent))
    assert pilot.frames == traffic.sent


@pytest.fixture
def by_serial_radio(tmp_path, monkeypatch):
    """A flight whose only link that leads anywhere is a serial radio at 57,600 baud."""
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    started = []

    def start(profile: str) -> tuple[Flight, SerialRadio]:
        serial = SerialRadio(tmp_path, 57_600)
        more = [("--link", f"serial:{path}:57600") for path in (serial.near, serial.far)]
        flight = Flight(House(tmp_path, profile), more=more[0], more_ground=more[1])
        flight.radio.listeners = []
        flight.step_more = serial.step
        started.append((flight, serial))
        return flight, serial

    yield start
    for flight, serial in started:
        flight.end()
        serial.close()


def test_a_serial_radio_carries_the_telemetry_of_a_flight_and_no_video(by_serial_radio):
    flight, serial = by_serial_radio("x25519")
    flight.wait_open()
    traffic, camera = Traffic(flight.fc_port), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    traffic.every_s = 0.1

    def step() -> None:
        serial.step()
        traffic.step()
        camera.sendto(bytes(1200), (HOST, flight.camera_port))

    flight.step_more = step
    flight.run(5.0)
    traffic.next = float("inf")
    pilot = flight.stations["pilot"]
    assert flight.until(lambda: len(pilot.frames) >= len(traffic.sent))
    assert pilot.frames == traffic.sent
    assert pilot.packets == []
    assert "x25519" not in flight.air.output()
    camera.close()


def test_an_order_too_large_for_a_serial_radio_is_told(by_serial_radio):
    flight, _ = by_serial_radio("x-wing")
    assert flight.until(lambda: "--profile x25519" in flight.air.output()), flight.logs()
