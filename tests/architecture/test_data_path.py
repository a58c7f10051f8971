"""The first screen of SPEC.md is the way that a frame takes: compared with a trace of one through a running pair."""

from __future__ import annotations

import os
import random
import re
import sys
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import pytest

from gateway.core.sframe import DOWNLINK_FIRST
from gateway.demo.stage import drain
from keys.lanes import Lane
from tests.memory_link import mavlink_frame
from tests.stepped_pair import SteppedPair, stepped_pair

ROOT = Path(__file__).parents[2]
MAP = (ROOT / "gateway/SPEC.md").read_text().split("## 0.")[1].split("## 1.")[0]
AIR, GROUND = MAP.split("~ ~ ~")
ROW = re.compile(r"^(.*?)\s(\S+\.py)\s+(\w+\.\w+)$", re.MULTILINE)
FLOWN = 20  # frames before the one that is looked at: the lane is no more at its beginning
SEEDED = random.Random(1)
BY_ITSELF = "Air._send_control"  # what the aircraft says by itself comes last in its turn, and takes the same way
# Files that a turn enters beside those of the map: the loops, what only counts, and what is called for a step of the map.
BESIDE = re.compile(
    r"gateway/(loop|report|endpoints|native)/|firmware_shims/|keys/(keyring|replay)\.py"
    r"|gateway/(batch|clock|core/barrier|core/sframe|air/session_manager|air/hold_back|air/downlink|air/recording|air/record_state|recording/stage|recording/pcap|core/air/announcer)\.py"
    r"|gateway/(air|ground)/plain_video\.py"
    r"|gateway/(ground/(uplink|answers|boots|bundle_gaps|owners|publication)|core/ground/(listener|opened|paths|session|starts))\.py"
)
ROLES = {"gateway/air/role.py", "gateway/ground/role.py"}


class Step(NamedTuple):
    path: str
    function: str


def steps(part: str, *, others: bool = True) -> list[Step]:
    """The functions of a part of the map, with those that only `others` than the next of a lane pass."""
    return [Step(path, name) for words, path, name in ROW.findall(part) if others or "others:" not in words]


def trace(call: Callable[[], object]) -> list[Step]:
    """The functions of ours that the call enters, in the order in which it enters them first."""
    entered: dict[Step, None] = {}

    def note(frame: FrameType, event: str, _: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event != "call" or not path.is_relative_to(ROOT) or ".venv" in path.parts:
            return
        if frame.f_code.co_qualname == BY_ITSELF:
            sys.setprofile(None)
            return
        entered[Step(str(path.relative_to(ROOT)), frame.f_code.co_qualname)] = None

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return [*entered]


def agrees(entered: list[Step], half: str, *, others: bool = True) -> None:
    """AssertionError unless the frame went by these functions in this order, and by no file that the map leaves out."""
    assert [step for step in entered if step in steps(half)] == steps(half, others=others)
    passed = {step.path for step in entered if not BESIDE.match(step.path)}
    assert passed <= {step.path for step in steps(half)} | ROLES


class Flight:
    """An aircraft whose flight controller is at a serial line, and a station that opens what it says."""

    def __init__(self, pair: SteppedPair, line: int) -> None:
        self.pair, self._line = pair, line
        pair.join()
        for _ in range(FLOWN):
            pair.down(self.telemetry())
            pair.until(lambda: drain(pair.gcs), lambda: pair.turn(pair.ground))
        for role in (pair.air, pair.ground):
            role._housekeep_at = float("inf")  # nothing but the frame has its turn

    def telemetry(self, turn: Callable[[], object] | None = None) -> bytes:
        """What the aircraft makes of one frame, for those who may command."""
        os.write(self._line, mavlink_frame(SEEDED, 0))
        found: list[bytes] = []

        def step() -> None:
            (turn or (lambda: self.pair.turn(self.pair.air)))()
            lane = bytes([Lane.TELEMETRY])
            found.extend(each for each in self.pair.on_air() if each[0] >= DOWNLINK_FIRST and each[1:2] == lane)

        self.pair.until(lambda: found, step)
        (datagram,) = found
        return datagram


@pytest.fixture
def flight(tmp_path: Path) -> Iterator[Flight]:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    with stepped_pair(tmp_path, fc=f"serial:{os.ttyname(theirs)}:921600") as pair:
        yield Flight(pair, ours)
    os.close(ours)
    os.close(theirs)


def test_the_map_has_both_halves_of_the_way():
    assert len(steps(AIR)) >= 7
    assert len(steps(GROUND)) > len(steps(GROUND, others=False)) >= 7


def test_a_frame_from_the_serial_port_to_the_radio(flight: Flight):
    entered: list[Step] = []
    flight.telemetry(lambda: entered.extend(trace(flight.pair.air.turn)))
    agrees(list(dict.fromkeys(entered)), AIR)


def test_the_next_frame_of_its_lane_from_the_radio_to_the_ground_control_station(flight: Flight):
    flight.pair.down(flight.telemetry())
    agrees(trace(flight.pair.ground.turn), GROUND, others=False)


def test_a_frame_that_comes_out_of_order(flight: Flight):
    first, second = flight.telemetry(), flight.telemetry()
    flight.pair.down(second)
    flight.pair.ground.turn()
    flight.pair.down(first)
    agrees(trace(flight.pair.ground.turn), GROUND)
