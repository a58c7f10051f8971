"""What a message may carry: parameters of commands, items of missions, names of parameters, files, tunnels, corrections."""

from __future__ import annotations

import math

import pytest

from firmware_shims.definitions import FILE_OPERATIONS, TUNNELS
from firmware_shims.guard import Guard
from firmware_shims.policies import FILES_HELD, FILES_READ, PARAMETERS_HELD
from tests.guarded import command, file_operation, filled, parameter, tunnel

PILOT = Guard("pilot")
REBOOT = "PREFLIGHT_REBOOT_SHUTDOWN"
CARRIERS = ("COMMAND_LONG", "COMMAND_INT", "MISSION_ITEM", "MISSION_ITEM_INT")
NAN = math.nan


@pytest.mark.parametrize("by", CARRIERS)
@pytest.mark.parametrize(
    ("params", "which"),
    [
        ((1,), None),
        ((0, 1), None),
        ((1, 1, 1, 1), None),  # MAVSDK's reboot
        ((1, NAN, NAN), None),
        ((2,), "param1"),
        ((3,), "param1"),  # stay in the bootloader
        ((4,), "param1"),
        ((1.5,), "param1"),
        ((42, 24, 71, 93), "param1"),  # ArduPilot: lock up, to try the watchdog
        ((1, 24), "param2"),
        ((1, 0, 3), "param3"),
        ((1, 0, 0, 0, 1), "param5"),
        ((1, 0, 0, 0, 0, 20190226), "param6"),  # in flight, too
    ],
)
def test_a_pilot_reboots_and_no_more(params: tuple[float, ...], which: str | None, by: str):
    held = PILOT.held(command(REBOOT, *params, by=by))
    assert held == (which and f"{by} {REBOOT} {which}")
    assert Guard("maintainer").held(command(REBOOT, *params, by=by)) is None


@pytest.mark.parametrize(
    ("name", "params", "which"),
    [
        ("PREFLIGHT_STORAGE", (1, 1), None),
        ("PREFLIGHT_STORAGE", (0, 2), None),
        ("PREFLIGHT_STORAGE", (2,), "param1"),  # every parameter to its default
        ("PREFLIGHT_STORAGE", (1, 0, -1), "param3"),  # ends the log
        ("DO_AUX_FUNCTION", (81, 2), None),
        ("DO_AUX_FUNCTION", (164, 2), "param1"),  # pauses the log
        ("DO_AUX_FUNCTION", (164.4, 2), "param1"),
        ("DO_AUX_FUNCTION", (163.6, 2), "param1"),
        ("DO_AUX_FUNCTION", (NAN, 2), None),
    ],
)
def test_parameters_of_other_commands(name: str, params: tuple[float, ...], which: str | None):
    assert PILOT.held(command(name, *params)) == (which and f"COMMAND_LONG {name} {which}")


@pytest.mark.parametrize("by", ["MISSION_ITEM", "MISSION_ITEM_INT"])
def test_a_mission_item_is_judged_as_the_command_in_it(by: str):
    for name in ("NAV_WAYPOINT", "DO_SET_SERVO", "NAV_FENCE_CIRCLE_INCLUSION", "NAV_RALLY_POINT", "IMAGE_START_CAPTURE"):
        assert PILOT.held(command(name, by=by)) is None
    for name in ("FLASH_BOOTLOADER", "CONTROL_HIGH_LATENCY", "SCRIPTING", "STORAGE_FORMAT", "USER_1"):
        assert PILOT.held(command(name, by=by)) == f"{by} {name}"
    assert PILOT.held(command(54321, by=by)) == f"{by} MAV_CMD 54321"


# --- parameters ---


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        (b"BRD_OPTIONS", "BRD_*"),
        (b"SYS_BL_UPDATE", "SYS_*"),
        (b"SERIAL_PASS2", "SERIAL*"),
        (b"SERIAL1_PROTOCOL", "SERIAL*"),
        (b"SER_TEL1_BAUD", "SER_*"),
        (b"LOG_BACKEND_TYPE", "LOG_*"),
        (b"log_backend_type", "LOG_*"),  # ArduPilot finds it
        (b"LOG_BITMASK\0rest", "LOG_*"),
        (b"SDLOG_MODE", "SDLOG_*"),
        (b"MAV_0_CONFIG", "MAV_?_*"),
        (b"MAV_2_BROADCAST", "MAV_?_*"),
        (b"UXRCE_DDS_CFG", "UXRCE_DDS_*"),
        (b"MAV_SIGN_CFG", "MAV_SIGN*"),
        (b"SCR_ENABLE", "SCR_[!U]*"),
        (b"RC8_OPTION", "RC*_OPTION"),  # 164 pauses the log, as DO_AUX_FUNCTION would
        (b"RC12_OPTION", "RC*_OPTION"),
        (b"RC8_MIN", None),
        (b"BTN_FUNC1", "BTN_FUNC*"),
        (b"DDS_ENABLE", "DDS_*"),
        (b"MAV1_OPTIONS", "MAV*_OPTIONS"),  # takes unsigned MAVLink
        (b"MAV12_OPTIONS", "MAV*_OPTIONS"),
        (b"ZENOH_ENABLE", "ZENOH_*"),
        (b"FORMAT_VERSION", "FORMAT_VERSION"),
        (b"WPNAV_SPEED", None),
        (b"MAV_GCS_SYSID", None),
        (b"SYSID_MYGCS", None),
        (b"SERVO1_MIN", None),
        (b"SCR_USER1", None),
        (b"", None),
        (b"SIXTEEN_LETTERS_", None),
        (b"\xff" * 16, None),
    ],
)
def test_a_pilot_sets_parameters_but_not_these(name: bytes, pattern: str | None):
    assert PILOT.held(parameter(name)) == (pattern and f"PARAM_SET {pattern}")
    assert PILOT.held(parameter(name, "PARAM_EXT_SET")) == (pattern and f"PARAM_EXT_SET {pattern}")
    by_rc = parameter(name, "PARAM_MAP_RC", param_index=-1)
    assert PILOT.held(by_rc) == (pattern and f"PARAM_MAP_RC {pattern}")
    assert Guard("maintainer").held(parameter(name)) is None


def test_every_pattern_holds_something_of_its_kind():
    for pattern in PARAMETERS_HELD:
        name = pattern.replace("[!U]", "E").replace("*", "X").replace("?", "1").encode()
        assert PILOT.held(parameter(name)) == f"PARAM_SET {pattern}"


def test_a_channel_is_not_mapped_to_a_parameter_by_its_number():
    assert PILOT.held(parameter(b"WPNAV_SPEED", "PARAM_MAP_RC", param_index=7)) == "PARAM_MAP_RC by number"
    assert PILOT.held(parameter(b"", "PARAM_MAP_RC", param_index=-2)) is None


def test_a_camera_operator_sets_parameters_of_cameras_and_gimbals():
    guard = Guard("camera-operator")
    for part in (100, 105, 154, 171, 175):
        assert guard.held(parameter(b"CAM_MODE", "PARAM_EXT_SET", target_component=part)) is None
    for part in (0, 1, 106, 191):
        held = guard.held(parameter(b"CAM_MODE", "PARAM_EXT_SET", target_component=part))
        assert held == "PARAM_EXT_SET of no camera"


# --- files ---


def test_a_pilot_reads_files_and_writes_none():
    for number, name in FILE_OPERATIONS.items():
        held = PILOT.held(file_operation(number, b"APM/LOGS/00000001.BIN"))
        assert held == (None if name in FILES_READ else f"FILE_TRANSFER_PROTOCOL {name}")
    assert {FILE_OPERATIONS[number] for number in range(256) if number in FILE_OPERATIONS} - FILES_READ == {
        *("CREATEFILE", "WRITEFILE", "REMOVEFILE", "CREATEDIRECTORY", "REMOVEDIRECTORY", "OPENFILEWO", "TRUNCATEFILE"),
        *("RENAME", "ACK", "NAK"),
    }
    assert PILOT.held(file_operation(17, b"APM/LOGS")) == "FILE_TRANSFER_PROTOCOL opcode 17"


@pytest.mark.parametrize(
    ("path", "held"),
    [
        (b"@PARAM/param.pck", None),
        (b"@MISSION/mission.dat", None),
        (b"@SYS/threads.txt", None),
        (b"/fs/microsd/log/2026-07-22/10_00_00.ulg", None),
        (b"etc/extras/component_general.json.xz", None),
        (b"/etc/hosts", None),
        (b"/APM/scripts/main.lua", None),
        (b"@SYS/storage.bin", "@sys/storage.bin*"),
        (b"/@SYS//storage.bin", "@sys/storage.bin*"),
        (b"./@sys/./STORAGE.BIN", "@sys/storage.bin*"),
        (b"@SYS/flash.bin?", "@sys/flash.bin*"),
        (b"/APM/STRG_BAK/STRG0.bak", "*strg_bak/*"),
        (b"APM/STRG_BAK./STRG0.bak", "*strg_bak/*"),
        (b"/APM/ArduCopter.stg", "*.stg"),
        (b"/APM/ArduCopter.stg. .", "*.stg"),
        (b"/var/lib/ardupilot/ArduPlane.stg", "*.stg"),
        (b"eeprom.bin", "*eeprom.bin"),
        (b"/var/lib/zegel/air/device.key", "var/lib/zegel/*"),
        (b"/etc/shadow", "etc/shadow*"),
        (b"/root/.ssh/id_ed25519", "root/*"),
        (b"/fs/microsd/mavlink/mavlink-signing-key.bin", "fs/microsd/mavlink/*"),
        (b"/fs/microsd/mavlink ./mavlink-signing-key.bin", "fs/microsd/mavlink/*"),
        (b"/fs/microsd/log/../mavlink/mavlink-signing-key.bin", ".."),
        (b"/fs/microsd/log/.. /mavlink/mavlink-signing-key.bin", ".."),
        (b"/fs/mtd_params", "fs/mtd*"),
        (b"\\dev\\mtd0", "dev/*"),
    ],
)
@pytest.mark.parametrize("name", ["openfilero", "calcfilecrc"])
def test_a_key_is_no_file_that_a_pilot_reads(path: bytes, held: str | None, name: str):
    expected = held and f"FILE_TRANSFER_PROTOCOL {name.upper()} {held}"
    assert PILOT.held(file_operation(name, path)) == expected
    assert PILOT.held(file_operation(name, path, size=0)) == expected, "ArduPilot ends a path at its first zero"
    assert PILOT.held(file_operation(name, path + b"/tail", size=len(path))) == expected, "PX4 ends it by its size"


def test_every_held_file_is_held():
    for path in FILES_HELD:
        assert PILOT.held(file_operation("openfilero", path.replace("*", "0").encode())) == (
            f"FILE_TRANSFER_PROTOCOL OPENFILERO {path}"
        )


# --- tunnels, clocks, corrections ---


def test_tunnels_to_serial_ports_are_held():
    for number, name in TUNNELS.items():
        held = PILOT.held(tunnel(number))
        assert held == (None if name == "MODALAI_REMOTE_OSD" else f"TUNNEL {name}")
    assert PILOT.held(tunnel("MODALAI_ESC_UART_PASSTHRU")) == "TUNNEL MODALAI_ESC_UART_PASSTHRU"
    assert PILOT.held(tunnel(40000)) == "TUNNEL type 40000"


def test_a_request_for_the_time_is_no_answer():
    asks, answers = filled("TIMESYNC", {}), filled("TIMESYNC", {"tc1": 5})
    for policy in ("observer", "camera-operator"):
        assert Guard(policy).held(asks) is None
        assert Guard(policy).held(answers) == "TIMESYNC an answer"
    assert PILOT.held(answers) is None


# RTCM 3.x, message type 1005: the example of RTCM 10403, section 3.
RTCM = bytes.fromhex("d300133ed7d30202980edeef34b4bd62ac0941986f33360b98")
SPOILT = bytes([*RTCM[:-1], RTCM[-1] ^ 1])


@pytest.mark.parametrize(
    ("flags", "data", "passes"),
    [
        (0, RTCM, True),
        (0, RTCM * 3, True),
        (0, SPOILT, False),
        (0, RTCM + b"\xb5\x62\x06\x09", False),  # UBX-CFG-CFG behind it
        (0, b"", False),
        (0, b"\xb5\x62\x06\x09", False),
        (0, RTCM[:2], False),
        (1, b"\xd3\x03\xff" + bytes(177), True),
        (1, b"\xd3\x04\x00" + bytes(177), False),
        (1, b"\xb5\x62" + bytes(178), False),
        (3, b"\xb5\x62", True),  # the second piece of a message, which cannot be judged alone
    ],
)
def test_corrections_are_rtcm(flags: int, data: bytes, passes: bool):
    sent = filled("GPS_RTCM_DATA", {"flags": flags, "len": len(data), "data": data})
    assert PILOT.held(sent) == (None if passes else "GPS_RTCM_DATA not RTCM")
