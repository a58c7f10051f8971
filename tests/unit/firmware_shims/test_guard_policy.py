"""Policies of an agency's own: what their lists add to a base and take from it."""

from __future__ import annotations

import pytest

from firmware_shims.definitions import FILE_OPERATIONS
from firmware_shims.guard import Guard
from firmware_shims.guard_policy import PolicyError, own
from firmware_shims.policies import FILES_READ, LISTED
from tests.guarded import command, file_operation, filled, frame, parameter


def held(sent: bytes, base: str = "pilot", **lists: list[str]) -> str | None:
    return Guard(own("own", base, **lists)).held(sent)


def test_without_lists_it_is_its_base():
    sent = [frame("PING"), frame("HEARTBEAT"), frame("LOG_ERASE"), command("COMPONENT_ARM_DISARM"), parameter(b"LOG_X")]
    for base in LISTED:
        assert [held(each, base) for each in sent] == [Guard(base).held(each) for each in sent]


def test_messages_and_commands_are_allowed_and_blocked_by_name():
    assert held(frame("LOG_ERASE"), allow=["LOG_ERASE"]) is None
    assert held(frame("HEARTBEAT"), "observer", allow=["HEARTBEAT"]) is None
    assert held(frame("MANUAL_CONTROL"), block=["MANUAL_CONTROL"]) == "MANUAL_CONTROL"
    assert held(command("STORAGE_FORMAT"), allow=["STORAGE_FORMAT"]) is None
    for by in ("COMMAND_LONG", "COMMAND_INT", "MISSION_ITEM_INT"):
        assert held(command("NAV_TAKEOFF", by=by), block=["NAV_TAKEOFF"]) == f"{by} NAV_TAKEOFF"


def test_what_is_blocked_is_blocked_allowed_or_not():
    assert held(frame("LOG_ERASE"), allow=["LOG_ERASE"], block=["LOG_ERASE"]) == "LOG_ERASE"
    assert held(parameter(b"FS_THR"), allow_param=["FS_*"], block_param=["FS_*"]) == "PARAM_SET FS_*"
    assert held(parameter(b"FS_THR"), "observer", block=["PARAM_SET"], allow_param=["FS_*"]) == "PARAM_SET"


def test_contents_are_judged_as_under_the_base():
    assert held(command("PREFLIGHT_REBOOT_SHUTDOWN", 42), block=["PING"]) == "COMMAND_LONG PREFLIGHT_REBOOT_SHUTDOWN param1"
    assert held(filled("TIMESYNC", {"tc1": 1}), "observer", allow=["HEARTBEAT"]) == "TIMESYNC an answer"
    assert held(parameter(b"BRD_OPTIONS"), "observer", allow=["PARAM_SET"]) == "PARAM_SET BRD_*"
    assert held(frame("HEARTBEAT")[:-1] + b"\0", allow=["LOG_ERASE"]) == "HEARTBEAT, wrong checksum"


@pytest.mark.parametrize("base", LISTED)
def test_a_blocked_parameter_is_set_in_no_other_way(base: str):
    lists = {"allow": ["PARAM_SET", "PARAM_EXT_SET", "PARAM_MAP_RC", "FILE_TRANSFER_PROTOCOL"], "block_param": ["fs_*"]}
    for by, values in (
        ("PARAM_SET", {}),
        ("PARAM_EXT_SET", {"target_component": 100}),
        ("PARAM_MAP_RC", {"param_index": -1}),
    ):
        for name in (b"FS_THR_ENABLE", b"fs_thr_enable", b"FS_"):
            assert held(parameter(name, by, **values), base, **lists) == f"{by} FS_*"
        assert held(parameter(b"WPNAV_SPEED", by, **values), base, **lists) is None
    assert held(parameter(b"", "PARAM_MAP_RC", param_index=7), base, **lists) == "PARAM_MAP_RC by number"
    assert held(command("DO_SET_PARAMETER", 7, 1), base, **lists) == "COMMAND_LONG DO_SET_PARAMETER"
    for number, name in FILE_OPERATIONS.items():
        for path in (b"@PARAM/param.pck", b"/@PARAM/param.pck", b"APM/scripts/a.lua"):
            passed = held(file_operation(number, path), base, **lists) is None
            assert passed == (name in FILES_READ), name


def test_allowed_names_are_the_only_ones_where_the_base_sets_none():
    for base in ("observer", "camera-operator"):
        assert held(parameter(b"CAM1_TYPE"), base, allow_param=["CAM?_*"]) is None
        assert held(parameter(b"WPNAV_SPEED"), base, allow_param=["CAM?_*"]) == "PARAM_SET of another name"
    assert held(parameter(b"LOG_BITMASK"), allow_param=["LOG_*"]) is None
    assert held(parameter(b"BRD_OPTIONS"), allow_param=["LOG_*"]) == "PARAM_SET BRD_*"
    assert held(parameter(b"WPNAV_SPEED"), allow_param=["LOG_*"]) is None
    to_motor = parameter(b"CAM_MODE", "PARAM_EXT_SET", target_component=1)
    assert held(to_motor, "camera-operator", allow_param=["CAM_*"]) == "PARAM_EXT_SET of no camera"


@pytest.mark.parametrize(
    ("base", "lists", "says"),
    [
        ("maintainer", {}, "the base 'maintainer' is not inspected, so no rule of it would hold"),
        ("captain", {}, "the base 'captain' is none of the listed policies"),
        ("pilot", {"allow": ["SETUP_SIGNING"]}, "SETUP_SIGNING cannot be allowed: no policy lets it cross"),
        ("pilot", {"allow": ["DO_SET_PARAMETER"]}, "DO_SET_PARAMETER cannot be allowed: it names no"),
        (
            "pilot",
            {"allow": ["SERIAL_CONTROL"], "block_param": ["A"]},
            "SERIAL_CONTROL cannot be allowed with block_param",
        ),
        ("pilot", {"block": ["MANUAL_CONTROLL"]}, "'MANUAL_CONTROLL' is no message .* is MANUAL_CONTROL meant?"),
        ("pilot", {"block": ["MAV_CMD_NAV_LAND"]}, "'MAV_CMD_NAV_LAND' is no message .* is NAV_LAND meant?"),
        ("pilot", {"allow": ["QQQQ"]}, "'QQQQ' is no message and no command of MAVLink$"),
    ],
)
def test_a_policy_that_cannot_be_says_why(base: str, lists: dict[str, list[str]], says: str):
    with pytest.raises(PolicyError, match=says):
        own("own", base, **lists)
