"""A Betaflight that is asked by MSP, through a real `zegel air` and a real `zegel ground`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymavlink.dialects.v20 import common

from firmware_shims import mavlink
from firmware_shims.definitions import name_of
from tests.msp_peer import BAUD, BETAFLIGHT, Line
from tests.system.house import Flight
from tests.system.test_air import after_it_ended, expired

DISARMED = BETAFLIGHT[150][:6] + bytes(4) + BETAFLIGHT[150][10:]
GCS = common.MAVLink(None, 255, 190)
ARM = bytes(common.MAVLink_command_long_message(1, 1, 400, 0, 1, 0, 0, 0, 0, 0, 0).pack(GCS))
MADE = {"ATTITUDE", "GLOBAL_POSITION_INT", "GPS_RAW_INT", "HEARTBEAT", "STATUSTEXT", "SYS_STATUS", "VFR_HUD"}


class Plug:
    """Where the flight controller is plugged in; `line` is what is there now."""

    def __init__(self, path: Path) -> None:
        self.path, self.line = path, Line()
        path.symlink_to(self.line.path)

    def pull(self) -> None:
        self.line.close()
        self.path.unlink()

    def put_back(self) -> None:
        self.line = Line()
        self.path.symlink_to(self.line.path)


@pytest.fixture
def plug(tmp_path: Path) -> Iterator[Plug]:
    made = Plug(tmp_path / "ttyFC")
    yield made
    made.line.close()


def heard(flight: Flight) -> Counter[str]:
    return Counter(name_of(mavlink.message_id(frame)) for frame in flight.stations["pilot"].frames)


def status_of_air() -> dict:
    words = [sys.executable, "-m", "gateway.cli", "status", "--json"]
    roles = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    return next(role for role in roles if role["role"] == "air")


def test_telemetry_comes_down_and_no_command_goes_up(fly, plug):
    flight = fly(fc=f"msp+serial:{plug.path}:{BAUD}")
    flight.step_more = plug.line.step
    flight.wait_open()
    plug.line.peer.says[150] = DISARMED  # a change of modes is told
    assert flight.until(lambda: heard(flight).keys() >= MADE, 10), heard(flight)
    assert {mavlink.key(frame)[:2] for frame in flight.stations["pilot"].frames} == {(1, 1)}
    for _ in range(15):
        flight.stations["pilot"].command(ARM)
        flight.run(1.0)
        if (drops := status_of_air()["drops"])["not_for_msp"]:
            break
    assert drops["not_for_msp"] > 0
    assert drops["fc_down"] == 0
    assert set(plug.line.peer.asked) == {2, 3, 106, 108, 109, 110, 119, 150}


def test_pulled_and_put_back(fly, plug):
    flight = fly(fc=f"msp+serial:{plug.path}:{BAUD}")
    flight.step_more = plug.line.step
    flight.wait_open()
    assert flight.until(lambda: heard(flight)["HEARTBEAT"] > 1, 10)
    flight.step_more = lambda: None
    plug.pull()
    flight.run(1.0)
    silent = len(flight.stations["pilot"].frames)
    flight.run(1.5)
    assert len(flight.stations["pilot"].frames) == silent
    plug.put_back()
    flight.step_more = plug.line.step
    before = heard(flight)
    assert flight.until(lambda: heard(flight)["HEARTBEAT"] > before["HEARTBEAT"] + 1, 15)
    assert heard(flight)["STATUSTEXT"] > before["STATUSTEXT"]


@pytest.mark.parametrize("armed", [False, True])
def test_an_order_that_has_ended_keeps_only_a_disarmed_aircraft_on_the_ground(house, fly, plug, armed):
    expired(house)
    after_it_ended(house)
    if not armed:
        plug.line.peer.says[150] = DISARMED
    flight = fly((), fc=f"msp+serial:{plug.path}:{BAUD}")
    flight.step_more = plug.line.step
    until = time.monotonic() + 10
    flight.until(lambda: not flight.air.running or time.monotonic() > until, 11)
    assert flight.air.running is armed, flight.air.output()
