"""Betaflight 4.6 in simulation through both roles: asked by MSP over TCP, and with its own MAVLink 1, byte for byte."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pymavlink.dialects.v10 import common as v1
from pymavlink.dialects.v20 import common as v2

from tests.interop import betaflight
from tests.system.namespaces import Host

pytestmark = pytest.mark.peers
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def program() -> Path:
    try:
        return betaflight.built()
    except betaflight.NotBuilt as error:
        pytest.skip(str(error))


def flown(what: str, program: Path, folder: Path) -> dict[str, Any]:
    words = [*Host().within, sys.executable, "-m", "tests.interop.betaflight", what, str(program), str(folder)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def decoded(told: dict[str, Any], dialect: Any, name: str) -> Any:
    return dialect.MAVLink(None).decode(bytearray.fromhex(told["last"][name]))


def per_s(told: dict[str, Any]) -> dict[str, float]:
    return {name: round(count / told["took"], 1) for name, count in sorted(told["counts"].items())}


def test_each_version_of_msp(program: Path, tmp_path: Path):
    told = flown("frames", program, tmp_path)
    assert set(told) == {"1", "2", "2 inside 1"}
    for replies, skipped in told.values():
        (variant, version, refused, boxes) = replies
        assert variant == [2, b"BTFL".hex(), False]
        assert version == [3, bytes([4, 6, 0]).hex(), False]
        assert (refused[0], refused[2]) == (8, True)
        assert (boxes[0], boxes[1][:4], boxes[2]) == (119, "0001", False)  # ARM, ANGLE
        assert skipped == 0


def test_by_msp(program: Path, tmp_path: Path, figure):
    told = flown("msp", program, tmp_path)
    figure(f"Betaflight by MSP over TCP: {per_s(told)} messages a second at the station")
    assert told["ids"] == [[1, 1]]
    assert told["version"] == [0xFD]
    assert {"HEARTBEAT", "ATTITUDE", "GPS_RAW_INT", "SYS_STATUS", "VFR_HUD"} <= told["counts"].keys(), told["logs"]
    assert math.degrees(decoded(told, v2, "ATTITUDE").roll) == pytest.approx(betaflight.ROLL, abs=1)
    beat = decoded(told, v2, "HEARTBEAT")
    assert (beat.type, beat.autopilot, beat.base_mode & 128) == (2, 0, 0)
    assert decoded(told, v2, "GPS_RAW_INT").fix_type == 1
    assert "GLOBAL_POSITION_INT" not in told["counts"]  # the simulated GPS has no fix


def test_its_own_mavlink_byte_for_byte(program: Path, tmp_path: Path, figure):
    told = flown("mavlink", program, tmp_path)
    figure(f"Betaflight's own MAVLink 1: {per_s(told)} messages a second at the station, of {told['sent']} frames in all")
    assert told["exact"]
    assert told["ids"] == [[0, 200]]
    assert told["version"] == [0xFE]
    assert {"HEARTBEAT", "ATTITUDE"} <= told["counts"].keys(), told["logs"]
    assert math.degrees(decoded(told, v1, "ATTITUDE").roll) == pytest.approx(betaflight.ROLL, abs=1)
