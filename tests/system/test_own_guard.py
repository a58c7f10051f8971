"""A guard policy of an agency's own, through real processes: what passes, and that no other file is taken for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pymavlink.dialects.v20 import all as dialect

from gateway.demo.stage import HOST, Program, free_port
from tests import guarded
from tests.system.house import zegel
from tests.system.test_guard import HEARTBEAT, Scene, file, long, made, parameter, start

__all__ = ["start"]

TEXT = """
[guard.technician]
base = "pilot"
allow = ["LOG_ERASE"]
block = ["COMPONENT_ARM_DISARM"]
block_param = ["FS_*"]
"""
HELD = {
    "COMMAND_LONG COMPONENT_ARM_DISARM": long("COMPONENT_ARM_DISARM", 1),
    "PARAM_SET FS_*": parameter(b"FS_THR_ENABLE"),
    "FILE_TRANSFER_PROTOCOL CREATEFILE": file(6, b"@PARAM/param.pck"),
    "SETUP_SIGNING": guarded.frame("SETUP_SIGNING"),
}
PASSES = [HEARTBEAT, guarded.frame("LOG_ERASE", b"\1\1"), parameter(b"WPNAV_SPEED"), long("NAV_TAKEOFF", 0)]


@pytest.fixture
def guards(house):
    path = house.folder / "guard.toml"
    path.write_text(TEXT)
    return path


def issue(house, path, policy_of: dict[str, str]) -> None:
    """Another order in force aboard, of these stations; all may command."""
    house.order = house.folder / f"{'-'.join(policy_of.values())}.order"
    roles = {name: f"telemetry,video,command:{policy}" for name, policy in policy_of.items()}
    house.issue(house.order, list(policy_of), ("--guard", path), roles)
    zegel("device", "load-order", house.folder / "drone-7", house.order)


def test_a_policy_of_ones_own_and_no_other_file(house, start, guards):
    issue(house, guards, {"pilot": "technician"})
    scene = start({"pilot": ""}, ("--guard", str(guards)))
    scene.sends("pilot", *HELD.values(), *PASSES)
    assert scene.heard(*PASSES)
    assert scene.status("ground", "pilot")["kept_back"] == {"pilot": dict.fromkeys(HELD, 1)}
    scene.flight.air.end()
    other = house.folder / "other.toml"
    other.write_text(TEXT + "rate = 5\n")
    air = ("air", "--device", str(house.folder / "drone-7"), "--link", f"udpout:{HOST}:{free_port()}")
    ground = ("ground", "--station", str(house.folder / "pilot"), "--order", str(house.order))
    for role in (air, ground):
        for words, says in (
            (("--guard", str(other)), f"zegel: {other} is not the file whose guard policies the order names"),
            ((), "zegel: the order has guard policies of the agency's own, and no file with them is here"),
        ):
            program = Program((*role, *words), house.folder, f"{role[0]}-{len(words)}")
            assert program.process.wait(30) == 2
            assert says in program.output()
            assert "guard.toml" in program.output().splitlines()[-1]


# --- the table in docs/orders.md ---

PAGE = (Path(__file__).parents[2] / "docs/orders.md").read_text()
POLICIES = ("observer", "camera-operator", "pilot", "technician")
TRIES = {
    "arm": long("COMPONENT_ARM_DISARM", 1),
    "set FS_THR_ENABLE by PARAM_SET": parameter(b"FS_THR_ENABLE"),
    "set it by file transfer, @PARAM/param.pck": file(6, b"@PARAM/param.pck"),
    "upload a mission": made("mission_count", 1, 1, 3),
    "turn the gimbal": made("gimbal_manager_set_pitchyaw", 1, 1, 0, 0, 0.1, 0.2, 0.0, 0.0),
    "trigger the camera": long("DO_DIGICAM_CONTROL", 0, 0, 0, 0, 1),
}


def passed(scene: Scene, station: str) -> dict[str, bool]:
    """What of the tries of a station reached the flight controller. A command that did not was answered as DENIED."""
    out = {}
    for what, frame in TRIES.items():
        scene.flight.stations[station].frames.clear()
        scene.sends(station, frame, PASS)
        assert scene.flight.until(lambda: bytes(scene.fc.heard).endswith(PASS)), scene.flight.logs()
        out[what] = frame in bytes(scene.fc.heard)
        scene.fc.heard[:] = b""
        answers = [dialect.MAVLink(None).parse_char(each) for each in scene.flight.stations[station].frames]
        denied = [each.result for each in answers if each and each.get_type() == "COMMAND_ACK"]
        assert denied == [DENIED] * (frame[7] == COMMAND_LONG and not out[what]), what
    return out


PASS = long("REQUEST_MESSAGE", 148)  # under every policy
COMMAND_LONG, DENIED = dialect.MAVLINK_MSG_ID_COMMAND_LONG, dialect.MAV_RESULT_DENIED


def test_what_each_policy_lets_a_station_do_is_what_the_page_says(house, start, figure):
    guards = house.folder / "guard.toml"
    guards.write_text(re.search("```toml\n(# guard.toml.*?)```", PAGE, re.DOTALL)[1])
    found = {}
    for policy_of in (dict(zip(("visitor", "observer", "pilot"), POLICIES[:3], strict=True)), {"pilot": POLICIES[3]}):
        issue(house, guards, policy_of)
        scene = start(policy_of, ("--guard", str(guards)))
        found |= {policy: passed(scene, station) for station, policy in policy_of.items()}
        scene.flight.end()
        for log in house.folder.glob("*.log"):  # the next flight has not said yet that it is ready
            log.unlink()
    rows = [[what, *("passes" if found[policy][what] else "denied" for policy in POLICIES)] for what in TRIES]
    table = [f"| {' | '.join(row)} |" for row in (["what a station tries", *POLICIES], *rows)]
    figure("\n".join(table))
    written = [
        line for line in PAGE.split("What stations under each policy get through")[1].splitlines() if line[:1] == "|"
    ]
    assert [line for line in written if "---" not in line] == table


# --- the file is changed in flight ---


def test_a_file_that_is_changed_in_flight_changes_nothing_and_brings_in_no_order(house, start, tmp_path):
    """What is judged by is what was hashed, whatever the name leads to by now."""
    strict, lax, name = (tmp_path / each for each in ("strict.toml", "lax.toml", "guard.toml"))
    strict.write_text(TEXT)
    lax.write_text(TEXT.replace('block = ["COMPONENT_ARM_DISARM"]\nblock_param = ["FS_*"]\n', ""))
    name.symlink_to(strict)
    issue(house, name, {"pilot": "technician"})
    scene = start({"pilot": ""}, ("--guard", str(name)))
    name.unlink()
    name.symlink_to(lax)
    other = house.folder / "lax.order"
    house.issue(other, ["pilot"], ("--guard", name), {"pilot": "telemetry,video,command:technician"})
    with pytest.raises(AssertionError, match="is not the file whose guard policies the order names"):
        zegel("device", "load-order", house.folder / "drone-7", other)
    scene.sends("pilot", *HELD.values(), *PASSES)
    assert scene.heard(*PASSES)
    assert scene.status("ground", "pilot")["kept_back"] == {"pilot": dict.fromkeys(HELD, 1)}
    assert scene.flight.air.running
