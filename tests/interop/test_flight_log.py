"""A real flight log, byte for byte from the flight controller to the ground control station: serial, UDP and TCP."""

from __future__ import annotations

import os
import random
import socket
import time
from pathlib import Path

import pytest

from gateway.demo.flight import FlightController, Log, read_tlog, recorded_flight
from gateway.demo.stage import HOST
from tests.system.house import Flight

WHOLE = Path(__file__).parents[3] / "shared/data/arducopter-flight.tlog"
SPEED = 10  # times the recorded pace


def part() -> Log:
    return recorded_flight()[:5000]


def whole() -> Log:
    if not WHOLE.exists():
        pytest.skip("arducopter-flight.tlog is not beside this clone")
    return read_tlog(WHOLE.read_bytes())


@pytest.fixture(params=[part, pytest.param(whole, marks=pytest.mark.soak)], ids=["part", "whole"])
def log(request):
    return request.param()


def arrives(flight: Flight, frames: list[bytes], limit_s: float = 60.0) -> None:
    """Until as many frames came out as went in; they must be the same, and no more must follow."""
    got = flight.stations["pilot"].frames
    flight.until(lambda: len(got) >= len(frames), limit_s)
    flight.run(0.1)
    assert len(got) == len(frames)
    assert got == frames


def plays(controller: FlightController, until: int) -> None:
    if len(controller.sent) < until:
        controller.play(time.monotonic() * SPEED)


def test_by_serial(fly, log):
    controller = FlightController(log)
    flight = fly(fc=f"serial:{controller.path}:921600")
    flight.wait_open()
    flight.step_more = lambda: plays(controller, len(log))
    assert flight.until(lambda: len(controller.sent) >= len(log), 60)
    arrives(flight, controller.frames_sent())
    assert controller.frames_sent()[: len(log)] == [frame for _, frame in log]
    controller.close()


def test_unplugged_inside_a_frame_and_plugged_in_again(fly, tmp_path):
    plug, log = tmp_path / "ttyFC", part()
    controller = FlightController(log)
    plug.symlink_to(controller.path)
    flight = fly(fc=f"serial:{plug}:921600")
    flight.wait_open()
    flight.step_more = lambda: plays(controller, 2000)
    assert flight.until(lambda: len(controller.sent) >= 2000)
    before = controller.frames_sent()
    arrives(flight, before)

    os.write(controller.line, log[0][1][:20])
    flight.run(0.05)
    controller.close()
    plug.unlink()
    flight.run(0.5)
    controller = FlightController(log[1000:])
    plug.symlink_to(controller.path)

    got = flight.stations["pilot"].frames
    flight.step_more = lambda: plays(controller, 1_000_000)
    assert flight.until(lambda: len(got) > len(before) + 1000), flight.logs()
    flight.step_more = lambda: None
    flight.run(0.5)
    assert got[: len(before)] == before
    after = got[len(before) :]
    assert after == controller.frames_sent()[-len(after) :]  # all since the line was open again
    controller.close()


def test_by_udp(fly, log):
    """One to three frames in a datagram."""
    frames, rng, at = [frame for _, frame in log], random.Random(1), 0
    flight = fly()
    flight.wait_open()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:

        def send() -> None:
            nonlocal at
            together = frames[at : at + rng.randrange(1, 4)]
            out.sendto(b"".join(together), (HOST, flight.fc_port))
            at += len(together)

        flight.step_more = lambda: send() if at < len(frames) else None
        arrives(flight, frames)


def test_by_tcp(fly, log):
    """The stream cut anywhere."""
    frames, rng, at = [frame for _, frame in log], random.Random(2), 0
    stream = b"".join(frames)
    with socket.create_server((HOST, 0)) as server:
        server.settimeout(20)
        flight = fly(fc=f"tcp:{HOST}:{server.getsockname()[1]}")
        line, _ = server.accept()
        flight.wait_open()

        def send() -> None:
            nonlocal at
            piece = stream[at : at + rng.randrange(1, 200)]
            line.sendall(piece)
            at += len(piece)

        flight.step_more = lambda: send() if at < len(stream) else None
        with line:
            arrives(flight, frames)
