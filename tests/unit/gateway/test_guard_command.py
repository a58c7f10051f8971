"""`zegel guard test`: of a log with a vehicle and a ground control station, what a policy would let through."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from pymavlink.dialects.v20 import common as dialect

from gateway import cli
from tests.guarded import command, filled, frame, parameter

VEHICLE = bytes(dialect.MAVLink_heartbeat_message(2, 3, 0, 0, 4, 3).pack(dialect.MAVLink(None, 1, 1)))
STATION = bytes(dialect.MAVLink_heartbeat_message(6, 8, 0, 0, 4, 3).pack(dialect.MAVLink(None, 255, 190)))
GUARD = '[guard.technician]\nbase = "pilot"\nblock_param = ["FS_*"]\nrate = 4\n'


@pytest.fixture
def log(tmp_path: Path) -> Path:
    sent = [VEHICLE, STATION, command("COMPONENT_ARM_DISARM"), parameter(b"FS_THR"), parameter(b"WPNAV_SPEED")]
    sent += [frame("LOG_ERASE"), filled("COMMAND_LONG", {"command": 54321})]
    path = tmp_path / "flight.tlog"
    path.write_bytes(b"".join(struct.pack(">Q", 10_000_000) + each for each in [*sent, VEHICLE]))
    return path


def told(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, list[str], str]:
    code = cli.main(["guard", "test", *map(str, words)])
    out, err = capsys.readouterr()
    return code, [" ".join(line.split()) for line in out.splitlines()], err


def test_it_names_what_passes_and_what_is_kept_back(log: Path, capsys):
    assert told(capsys, "pilot", log)[:2] == (
        0,
        [
            f"{log}: 6 frames of ground control stations (systems: 255), guard policy pilot",
            "passes 2 PARAM_SET",
            "passes 1 COMMAND_LONG COMPONENT_ARM_DISARM",
            "passes 1 HEARTBEAT",
            "kept back 1 COMMAND_LONG MAV_CMD 54321",
            "kept back 1 LOG_ERASE",
        ],
    )
    assert "passes 1 COMMAND_LONG MAV_CMD 54321" in told(capsys, "maintainer", log)[1]
    assert not [line for line in told(capsys, "observer", log)[1] if line.startswith("passes")]


def test_a_policy_of_ones_own_and_its_rate(log: Path, tmp_path: Path, capsys):
    (tmp_path / "guard.toml").write_text(GUARD)
    lines = told(capsys, "technician", log, "--guard", tmp_path / "guard.toml")[1]
    assert "kept back 1 PARAM_SET FS_*" in lines
    assert "passes 1 PARAM_SET" in lines
    log.write_bytes(b"".join(struct.pack(">Q", 10_000_000) + frame("PING") for _ in range(7)))
    lines = told(capsys, "technician", log, "--guard", tmp_path / "guard.toml")[1]
    assert lines[1:] == ["passes 4 PING", "kept back 3 frames over the rate"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("captain",), "'captain' is not a guard policy"),
        (("technician",), "'technician' is not a guard policy"),
        (("pilot", "guard.toml"), "is no telemetry log: no MAVLink frame begins at byte 8"),
        (("pilot", "missing.tlog"), "No such file"),
    ],
)
def test_what_cannot_be_judged_is_an_error(log: Path, tmp_path: Path, capsys, words: tuple[str, ...], says: str):
    (tmp_path / "guard.toml").write_text(GUARD)
    code, _, error = told(capsys, words[0], tmp_path / words[1] if words[1:] else log)
    assert code
    assert says in error


def test_the_recorded_flight_passes_as_a_pilots_and_not_as_an_observers(capsys):
    """The demo's log is a flight controller's alone: no ground control station is in it."""
    recorded = Path(__file__).parents[4] / "shared/data/arducopter-flight.tlog"
    if not recorded.exists():
        pytest.skip("the recorded flight is not at ../shared/data")
    _, lines, _ = told(capsys, "pilot", recorded)
    assert "206 frames of ground control stations (systems: 255)" in lines[0]
    assert not [line for line in lines if line.startswith("kept back")]
    _, lines, _ = told(capsys, "observer", recorded)
    assert "kept back 1 COMMAND_LONG COMPONENT_ARM_DISARM" in " ".join(lines)
