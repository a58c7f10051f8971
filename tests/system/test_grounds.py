"""A program that follows the grounds of this computer: real processes that are killed and started again around it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from gateway.console.view_state import ViewState
from gateway.demo.clip import Camera
from gateway.demo.stage import HOST
from gateway.view.grounds import Grounds
from tests.system.house import Flight
from tests.system.test_air import heartbeat

Picture = tuple[int, bytes, bool, float]


class Watching:
    """As `zegel console` does, in a thread of its own."""

    def __init__(self) -> None:
        self.pictures: list[Picture] = []
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)
        self._ready = threading.Event()
        self._thread.start()
        assert self._ready.wait(10)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._view = ViewState(lambda stream, data, key: self.pictures.append((stream, data, key, time.monotonic())))
        self.grounds = Grounds(self._view.take, self._view.take_status)
        self._task = asyncio.create_task(self.grounds.follow())
        self._ready.set()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def state(self) -> dict[str, Any]:
        asked = asyncio.run_coroutine_threadsafe(self._said(), self._loop)
        found: dict[str, Any] = json.loads(asked.result(10))
        return found

    async def _said(self) -> bytes:
        return self._view.state()

    def aircraft(self) -> dict[str, Any]:
        return next(iter(self.state()["aircraft"]), {})

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(10)


@pytest.fixture
def watching(house):
    found = Watching()
    yield found
    found.close()


def filmed(flight: Flight) -> Callable[[], None]:
    """A camera and a flight controller aboard, until the test ends."""
    camera, fc = Camera((HOST, flight.camera_port)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def step() -> None:
        camera.play(time.monotonic())
        fc.sendto(heartbeat(armed=True), (HOST, flight.fc_port))

    return step


def test_pictures_and_telemetry_go_on_when_the_ground_or_the_aircraft_starts_again(fly, watching: Watching):
    flight = fly()
    flight.step_more = filmed(flight)
    assert flight.until(lambda: len(watching.pictures) > 40)
    found = watching.aircraft()
    assert (found["sealed"], found["telemetry"]["armed"]["v"], found["ground"], found["device"]) == (
        True,
        True,
        "pilot",
        "drone-7",
    )
    assert [reader["name"] for reader in watching.state()["grounds"][0]["readers"]] == ["pilot", "observer"]
    first = watching.pictures[0][0]

    ground = flight.stations["pilot"]
    ground.program.kill()
    assert flight.until(lambda: not watching.aircraft()["sealed"])
    before = len(watching.pictures)
    ground.start()
    assert flight.until(lambda: len(watching.pictures) > before + 40)
    assert flight.until(lambda: bool(watching.aircraft()["sealed"]))

    session = watching.aircraft()["session"]
    flight.air.kill()
    before = len(watching.pictures)
    flight.start_air()
    assert flight.until(lambda: len(watching.pictures) > before + 40), flight.logs()
    assert flight.until(lambda: watching.aircraft()["session"] != session)
    assert {stream for stream, _, _, _ in watching.pictures} == {first}
    assert watching.grounds.lost == 0
