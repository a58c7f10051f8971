"""Several links, real processes: what one of them loses, delays or cuts is not missed as long as another is there."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import time
from collections import deque

import pytest

from gateway.demo.stage import HOST, Program, Radio, drain
from tests.memory_link import mavlink_frame
from tests.system.house import Flight, House, zegel
from tests.system.serial_radio import SerialRadio

FRAME_EVERY_S = 0.005
SLOWER_BY_S = 0.02
MEAN_FRAME = 140  # bytes


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


@pytest.mark.alone
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


@pytest.mark.alone
def test_what_the_fast_link_loses_the_slow_one_brings_in_its_place(two_links):
    flight, _, traffic = two_links
    pilot, rng, lossless = flight.stations["pilot"], random.Random(8), flight.radio.send
    flight.run(1.0)  # both links are known; before that there is nothing to wait for
    flight.radio.send = lambda datagram: None if rng.random() < 0.3 else lossless(datagram)
    flight.run(3.0)
    traffic.next = float("inf")
    assert flight.until(lambda: len(pilot.frames) >= len(traffic.sent))
    assert pilot.frames == traffic.sent


@pytest.fixture
def by_serial_radio(tmp_path, monkeypatch):
    """A flight whose only link that leads anywhere is a serial radio, at 57,600 baud unless it is said."""
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    started = []

    def start(profile: str, kind: type[Flight] = Flight, baud: int = 57_600) -> tuple[Flight, SerialRadio]:
        serial = SerialRadio(tmp_path, baud)
        more = [("--link", f"serial:{path}:{baud}") for path in (serial.near, serial.far)]
        flight = kind(House(tmp_path, profile), more=more[0], more_ground=more[1])
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


class SerialOnly(Flight):
    """Its aircraft has no link but those of `more`."""

    def start_air(self) -> None:
        words = ("air", "--device", str(self.house.folder / "drone-7"), "--fc", self.fc)
        self.air = Program((*words, "--video", f"udpin:{HOST}:{self.camera_port}", *self.more), self.house.folder, "air")


def test_a_ground_that_stood_still_goes_on_hearing_a_serial_radio(by_serial_radio):
    """A line has no stamps: what is read then may have come at any time since, and nothing may follow from the earliest."""
    flight, serial = by_serial_radio("x25519", SerialOnly)
    flight.wait_open()
    traffic, pilot = Traffic(flight.fc_port), flight.stations["pilot"]
    traffic.every_s = 0.25

    def step() -> None:
        serial.step()
        traffic.step()

    flight.step_more = step
    flight.run(2.0)
    os.kill(pilot.program.process.pid, signal.SIGSTOP)
    flight.run(6.0)
    os.kill(pilot.program.process.pid, signal.SIGCONT)
    flight.run(3.0)
    came, sent = len(pilot.frames), len(traffic.sent)
    flight.run(5.0)
    traffic.next = float("inf")
    assert flight.until(lambda: pilot.frames[-1:] == traffic.sent[-1:]), flight.logs()
    assert len(pilot.frames) - came >= len(traffic.sent) - sent > 15


def overload(flight: Flight, serial: SerialRadio) -> Traffic:
    """Three seconds of twice what the line carries, then little; returns when the last frame has come."""
    flight.wait_open()
    traffic = Traffic(flight.fc_port)
    traffic.every_s = MEAN_FRAME / (2 * serial.bytes_per_s)

    def step() -> None:
        serial.step()
        traffic.step()

    flight.step_more = step
    flight.run(3.0)
    traffic.every_s = 0.2
    flight.run(2.0)
    traffic.next = float("inf")
    came = flight.stations["pilot"].frames
    assert flight.until(lambda: came[-1:] == traffic.sent[-1:]), flight.logs()
    return traffic


def test_what_is_too_much_for_a_serial_radio_is_dropped_whole_before_it_is_sealed(by_serial_radio):
    flight, serial = by_serial_radio("x25519", SerialOnly)
    traffic = overload(flight, serial)
    flight.run(0.6)
    air, ground = json.loads(zegel("status", "--json"))
    came, number = flight.stations["pilot"].frames, {frame: n for n, frame in enumerate(traffic.sent)}
    order = [number[frame] for frame in came]
    assert order == sorted(set(order))
    assert len(came) + air["drops"]["late"] == len(traffic.sent)
    assert air["drops"]["late"] > 50
    (line,) = (end for end in air["endpoints"] if end["use"] == "link")
    assert (line["late_drop"], line["dropped_tx"]) == (0, 0)
    heard = next(end for end in ground["endpoints"] if end["use"] == "link" and end["rx_datagrams"])
    assert (heard["rx_lost_est"], heard["resync_bytes"]) == (0, 0)
    assert ground["sealed"]


def test_a_serial_radio_that_is_too_slow_holds_no_faster_link_back(by_serial_radio):
    flight, serial = by_serial_radio("x25519")
    flight.radio.listeners = [flight.stations["pilot"].port]
    traffic = overload(flight, serial)
    flight.run(0.6)
    air, _ = json.loads(zegel("status", "--json"))
    assert flight.stations["pilot"].frames == traffic.sent
    assert air["drops"]["late"] == 0


def test_video_that_is_too_much_for_a_serial_radio_costs_no_telemetry(by_serial_radio):
    flight, serial = by_serial_radio("x25519", SerialOnly, baud=460_800)
    flight.wait_open()
    traffic, camera, packets = Traffic(flight.fc_port), socket.socket(socket.AF_INET, socket.SOCK_DGRAM), []
    traffic.every_s = 0.05

    def step() -> None:
        serial.step()
        traffic.step()
        while len(packets) < 5 * len(traffic.sent):  # 100,000 bytes a second
            packets.append(len(packets).to_bytes(4, "big") + bytes(996))
            camera.sendto(packets[-1], (HOST, flight.camera_port))

    flight.step_more = step
    flight.run(3.0)
    traffic.next = float("inf")
    pilot = flight.stations["pilot"]
    assert flight.until(lambda: len(pilot.frames) >= len(traffic.sent)), flight.logs()
    flight.run(0.6)
    air = next(s for s in json.loads(zegel("status", "--json")) if s["role"] == "air")
    assert pilot.frames == traffic.sent
    assert len(pilot.packets) + air["drops"]["link_full"] == len(packets)
    assert pilot.packets
    assert air["drops"]["link_full"] > 50
    camera.close()


def test_an_order_too_large_for_a_serial_radio_is_told(by_serial_radio):
    flight, _ = by_serial_radio("x-wing")
    assert flight.until(lambda: "--profile x25519" in flight.air.output()), flight.logs()
