"""A guard policy of an agency's own, through real processes: what passes, and that no other file is taken for it."""

from __future__ import annotations

import pytest

from gateway.demo.stage import HOST, Program, free_port
from tests import guarded
from tests.system.house import zegel
from tests.system.test_guard import HEARTBEAT, file, long, parameter, start

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


def issue(house, path) -> None:
    house.order = house.folder / "own.order"
    roles = {"pilot": "telemetry,video,command:technician"}
    house.issue(house.order, ["pilot"], ("--guard", path), roles)
    zegel("device", "load-order", house.folder / "drone-7", house.order)


def test_a_policy_of_ones_own_and_no_other_file(house, start, guards):
    issue(house, guards)
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
