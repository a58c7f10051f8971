"""A flight through air, ground and a real console to the socket of a page: what it is told, and what none of it costs."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymavlink.dialects.v20 import ardupilotmega
from websockets.exceptions import ConnectionClosed

from gateway.console.picture_message import CATCHING_UP, KEY, SIZE
from gateway.demo.clip import CLIP, FPS, Camera, pictures
from gateway.demo.stage import HOST
from gateway.report import keyless
from gateway.report.console_status import ConsoleStatus
from gateway.report.role_status import GroundStatus
from gateway.report.status_socket import read_all, read_raw
from tests.console_client import RunningConsole
from tests.system.house import Flight
from tests.system.test_air import heartbeat

COMES_BACK_WITHIN_S = 20.0
WATCH = {"type": "watch", "streams": [{"ground": "pilot", "device": "drone-7", "lane": "video_a"}]}
BEAT_EVERY_S = 0.3
POLICY_VIOLATION = 1008
FILLER = b"\x0c" + b"\xff" * 10_000 + b"\x80"  # H.264 section 7.3.2.7: makes 2 Mbit/s more of the clip
LARGE_CLIP = b"".join(b"\0\0\0\1" + nal for unit in pictures(CLIP.read_bytes()) for nal in (*unit.nals, FILLER))


class Page:
    """What a page would do with its socket, in steps between those of a flight."""

    def __init__(self, console: RunningConsole) -> None:
        self._stack = contextlib.ExitStack()
        self._socket = self._stack.enter_context(console.page())
        self.state: dict[str, Any] = {}
        self.pictures: list[bytes] = []
        self.closed: int | None = None

    def say(self, message: object) -> None:
        self._socket.send(json.dumps(message))

    def step(self) -> None:
        """Take what waits."""
        with contextlib.suppress(TimeoutError):
            while True:
                try:
                    message = self._socket.recv(timeout=0.001)
                except ConnectionClosed:
                    self.closed = self._socket.close_code
                    return
                if isinstance(message, bytes):
                    self.pictures.append(message)
                elif (said := json.loads(message))["type"] == "state":
                    self.state = said

    def numbers(self) -> list[int]:
        """Of the pictures, without those that came again."""
        return sorted({int.from_bytes(message[4:8], "little") for message in self.pictures})

    def aircraft(self) -> dict[str, Any]:
        return next(iter(self.state.get("aircraft", [])), {})

    def end(self) -> None:
        self._stack.close()


@pytest.fixture
def flown(fly, tmp_path) -> Iterator[tuple[Flight, RunningConsole]]:
    """A flight with a flight controller and a camera, and a console beside its ground."""
    flight = fly()
    camera = Camera((HOST, flight.camera_port), LARGE_CLIP)
    fc = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    beat_at = 0.0

    def step() -> None:
        nonlocal beat_at
        camera.play(now := time.monotonic())
        if now - beat_at > BEAT_EVERY_S:
            beat_at = now
            fc.sendto(heartbeat(armed=True), (HOST, flight.fc_port))

    flight.step_more = step
    flight.wait_open()
    with RunningConsole(tmp_path) as console:
        yield flight, console
    camera.close()
    fc.close()


def follow(flight: Flight, page: Page, done: Callable[[], bool], limit_s: float = COMES_BACK_WITHIN_S) -> bool:
    def both() -> bool:
        page.step()
        return done()

    return flight.until(both, limit_s)


def ground_status() -> GroundStatus:
    return next(status for status in read_all() if isinstance(status, GroundStatus))


def begin(flight: Flight, console: RunningConsole) -> Page:
    """A page that is shown pictures."""
    page = Page(console)
    assert follow(flight, page, lambda: bool(page.aircraft().get("streams"))), page.state
    page.say(WATCH)
    assert follow(flight, page, lambda: len(page.pictures) > FPS), page.state
    return page


def test_a_page_is_shown_the_flight_from_its_last_key_picture_on(flown):
    flight, console = flown
    page = begin(flight, console)
    assert page.aircraft()["sealed"] is True
    assert [reader["name"] for reader in page.state["grounds"][0]["readers"]] == ["pilot", "observer"]
    assert page.aircraft()["streams"][0]["codec"] == "h264"
    assert follow(flight, page, lambda: any(message[1] & KEY for message in page.pictures)), "no key picture"
    later = begin(flight, console)
    assert later.pictures[0][1] == KEY | CATCHING_UP
    assert later.pictures[0][SIZE:].startswith(b"\0\0\0\1")
    for numbers in (page.numbers(), later.numbers()):
        assert numbers == [*range(numbers[0], numbers[-1] + 1)], "none is missing"
    assert len(later.pictures) == len(later.numbers()), "none comes twice"
    page.end()
    later.end()


def test_a_console_or_a_ground_that_is_killed_comes_back(flown, tmp_path):
    """The page's own reconnection is that of the browser; the token is the same, so it needs no person."""
    flight, console = flown
    page = begin(flight, console)
    console.program.kill()
    with RunningConsole(tmp_path) as again:
        assert again.token == console.token
        page = begin(flight, again)
        flight.stations["pilot"].program.kill()
        assert follow(flight, page, lambda: not page.state["grounds"][0]["alive"])
        seen = len(page.pictures)
        flight.stations["pilot"].start()
        assert follow(flight, page, lambda: len(page.pictures) > seen + FPS), page.state
        page.end()


def test_no_frame_of_mavlink_passes_the_socket_of_a_page(flown):
    """All message types, as bytes and as text: each closes the socket, and the ground hears of none."""
    flight, console = flown
    before = ground_status()
    for number in sorted(ardupilotmega.mavlink_map):
        frame = bytes([0xFD, 9, 0, 0, 0, 255, 190, *number.to_bytes(3, "little")]) + bytes(11)
        with console.page() as page, contextlib.suppress(ConnectionClosed):
            page.send(frame if number % 2 else frame.decode("latin-1"))
            while True:
                page.recv(timeout=10)
        assert page.close_code == POLICY_VIOLATION, number
    flight.run(1.0)
    after = ground_status()
    assert after.commands == before.commands
    assert after.feed.refused == before.feed.refused == 0
    assert flight.stations["pilot"].program.running


def console_status() -> ConsoleStatus:
    return next(status for said in read_raw() if isinstance(status := keyless.decoded(said), ConsoleStatus))


def test_a_browser_that_stands_still_costs_another_one_and_the_ground_nothing(flown, figure):
    flight, console = flown
    page = begin(flight, console)
    before = ground_status()
    with console.raw_page(receive_buffer=4096) as still:
        still.sendall(masked(json.dumps(WATCH).encode()))
        assert follow(flight, page, lambda: console_status().browser_dropped > 0)
    numbers = page.numbers()
    assert numbers == [*range(numbers[0], numbers[-1] + 1)]
    after = ground_status()
    assert after.opened["video_a"] > before.opened["video_a"]
    assert after.alarms == before.alarms == []
    figure(f"console: one browser stood still and lost {console_status().browser_dropped} pictures, the other one none")
    page.end()


def test_a_console_that_stands_still_costs_the_ground_nothing(flown):
    flight, console = flown
    page = begin(flight, console)
    before = ground_status()
    os.kill(console.program.process.pid, signal.SIGSTOP)
    flight.run(3.0)
    after = ground_status()
    os.kill(console.program.process.pid, signal.SIGCONT)
    assert after.opened["video_a"] > before.opened["video_a"]
    assert after.alarms == before.alarms == []
    seen = page.numbers()[-1]
    assert follow(flight, page, lambda: page.numbers()[-1] > seen + 2 * FPS), "it goes on"
    page.end()


def masked(text: bytes) -> bytes:
    """A text frame of a client (RFC 6455 section 5.2), by a mask of zeros."""
    return bytes([0x81, 0xFE]) + len(text).to_bytes(2, "big") + bytes(4) + text
