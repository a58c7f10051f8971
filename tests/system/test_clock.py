"""Clocks that are wrong, and jump while everything flies: nothing on the link depends on them. By libfaketime.

What tells fresh from old runs on the monotonic clock; an order's dates alone need the other one, and there the date that is
known for certain stands in for a clock that cannot be right (tests/unit/keys/folders/test_device.py).
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from pymavlink.dialects.v20 import all as dialect

from gateway.demo.stage import Listener, drain
from gateway.report.advice import advise
from gateway.report.role_status import decoded
from gateway.report.wording import READY
from tests.system.house import Flight, zegel
from tests.system.test_links import Traffic

HOUR_S, YEAR_S = 3600, 365 * 86_400
GCS = dialect.MAVLink(None, srcSystem=255, srcComponent=190)
COMMAND_EVERY = 10  # frames


class Clock:
    """What the processes that are started under it believe of the time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.is_off_by(0)

    def is_off_by(self, seconds: float) -> None:
        self._path.write_text(f"{seconds:+.0f}")

    def starts_at_1970(self) -> None:
        self.is_off_by(10 - time.time())

    def rule(self, monkeypatch) -> None:
        library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
        if library is None:
            pytest.skip("needs libfaketime: apt-get install libfaketime")
        for name, value in {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": self._path,
            "FAKETIME_NO_CACHE": 1,
            "FAKETIME_DONT_FAKE_MONOTONIC": 1,
        }.items():
            monkeypatch.setenv(name, str(value))


class Pair:
    """A flight whose aircraft and station have clocks of their own, with numbered frames down and commands up."""

    def __init__(self, house, fly, monkeypatch, at_1970: bool) -> None:
        self.aboard, self.below = (Clock(house.folder / f"{role}.clock") for role in ("air", "ground"))
        if at_1970:
            self.aboard.starts_at_1970()
        with monkeypatch.context() as patch:
            self.aboard.rule(patch)
            self.flight: Flight = fly(())
            self.flight.stations["pilot"] = self._pilot(patch)
        self.pilot = self.flight.stations["pilot"]
        self.commands, self.heard = [], []
        self.flight.wait_open()
        assert self.flight.until(lambda: self.pilot.says(READY) > 0), self.flight.logs()
        self.traffic = Traffic(self.flight.fc_port)
        self.traffic.socket.setblocking(False)
        self.flight.step_more = self.step

    def _pilot(self, patch):
        self.below.rule(patch)
        made = Listener("pilot", self.flight.house.folder, self.flight.house.order)
        self.flight.radio.listeners = [made.port]
        return made

    def step(self) -> None:
        before = len(self.traffic.sent)
        self.traffic.step()
        if before // COMMAND_EVERY != len(self.traffic.sent) // COMMAND_EVERY and self.pilot.frames:
            message = dialect.MAVLink_command_long_message(1, 1, 400, 0, 1, len(self.commands), 0, 0, 0, 0, 0)
            self.commands.append(bytes(message.pack(GCS)))
            self.pilot.command(self.commands[-1])
        self.heard += drain(self.traffic.socket)

    def nothing_was_lost(self) -> bool:
        self.traffic.next = float("inf")
        return self.flight.until(lambda: len(self.pilot.frames) >= len(self.traffic.sent) and self.heard == self.commands)


@pytest.fixture
def pair(house, fly, monkeypatch):
    made = []

    def start(*, at_1970: bool = False) -> Pair:
        made.append(Pair(house, fly, monkeypatch, at_1970))
        return made[-1]

    yield start
    for one in made:
        one.traffic.socket.close()


def test_clocks_that_jump_in_flight_cost_no_frame_no_command_and_no_order(pair):
    """A board without a battery starts in 1970 and finds the time in flight; then both clocks go to and fro."""
    scene = pair(at_1970=True)
    for aboard, below in (
        (0, 0),
        (-HOUR_S, 0),
        (HOUR_S, -HOUR_S),
        (0, HOUR_S),
        (-time.time(), 0),
        (0, -time.time()),
        (0, 0),
    ):
        scene.flight.run(0.7)
        scene.aboard.is_off_by(aboard)
        scene.below.is_off_by(below)
    scene.flight.run(0.7)
    assert scene.nothing_was_lost(), scene.flight.logs()
    assert scene.pilot.frames == scene.traffic.sent
    assert len(scene.commands) > 50
    assert "alarm" not in scene.flight.logs()


def test_what_was_recorded_is_old_whatever_the_clocks_say(pair):
    scene = pair()
    scene.flight.run(0.5)
    recorded = list(scene.flight.radio.capture)
    up = [datagram for _, datagram in scene.flight.radio.up]
    for clock in (scene.aboard, scene.below):
        clock.is_off_by(-2)
    scene.traffic.next = float("inf")
    scene.flight.run(1.0)
    before = len(scene.pilot.frames), len(scene.heard)
    for datagram in recorded:
        scene.flight.radio.send(datagram)
    for datagram in up:
        scene.flight.radio.send_up(datagram)
    scene.flight.run(1.0)
    assert (len(scene.pilot.frames), len(scene.heard)) == before


@pytest.mark.soak
def test_a_clock_that_jumps_beyond_the_order_is_an_alarm_and_cuts_nothing(pair):
    scene = pair()
    scene.aboard.is_off_by(YEAR_S)
    assert scene.flight.until(lambda: "alarm: the order ended at" in scene.flight.air.output()), scene.flight.logs()
    scene.below.is_off_by(YEAR_S)
    scene.flight.run(1.0)
    assert scene.nothing_was_lost(), scene.flight.logs()
    assert scene.pilot.frames == scene.traffic.sent
    advice = [advise(status) for status in map(decoded, json.loads(zegel("status", "--json")))]
    assert "load a newer one" in advice[0]
