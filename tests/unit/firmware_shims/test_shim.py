from __future__ import annotations

import pytest
from pymavlink import mavutil
from pymavlink.dialects.v20 import common

from firmware_shims import ardupilot, betaflight, px4, shim
from firmware_shims.definitions import NUMBER_OF
from firmware_shims.heartbeat import Heartbeat, read

NAMES = [each.NAME for each in shim.SHIMS]


def heard(firmware: int, vehicle: int = 2, mode: int = 0, compid: int = 1) -> Heartbeat:
    sender = common.MAVLink(None, 1, compid)
    found = read(bytes(sender.heartbeat_encode(vehicle, firmware, 1, mode, 4).pack(sender)))
    assert found is not None
    return found


def test_each_firmware_by_its_heartbeat():
    assert shim.sender_of(heard(3)) is ardupilot
    assert shim.sender_of(heard(12)) is px4
    assert shim.sender_of(heard(0, compid=200)) is betaflight
    assert shim.sender_of(heard(0)) is None  # also iNav: it may call itself so, or ArduPilot


def named(firmware: int, vehicle: int, mode: int) -> str:
    """As pymavlink names it; nothing for what it has only a number for."""
    sender = common.MAVLink(None, 1, 1)
    message = sender.heartbeat_encode(vehicle, firmware, 1, mode, 4)
    text = str(mavutil.mode_string_v10(message))
    return "" if text.startswith(("Mode(", "0x")) or text == "UNKNOWN" else text


@pytest.mark.parametrize("vehicle", [1, 2, 4, 10, 11, 12, 13, 14, 20, 21])
def test_the_modes_of_ardupilot_are_those_of_pymavlink(vehicle: int):
    ours = {mode: ardupilot.mode(heard(3, vehicle, mode)) for mode in range(40)}
    known = {mode: name for mode, name in ours.items() if name}
    assert len(known) >= 9
    old = {"POSITION", "OF_LOITER"}  # modes of versions before 3.3
    assert {mode: named(3, vehicle, mode) for mode in known} == known
    assert old.isdisjoint(known.values())


def test_the_modes_of_px4_are_those_of_pymavlink():
    """pymavlink has no name for READY."""
    seen = set()
    for main in range(1, 9):
        for sub in range(9) if main == 4 else (0,):
            mode = main << 16 | sub << 24
            if name := px4.mode(heard(12, 2, mode)):
                seen.add(name)
                assert mavutil.interpret_px4_mode(209, mode) == ("UNKNOWN" if name == "READY" else name)
    assert len(seen) == 15
    assert px4.mode(heard(12, 2, 4 << 16 | 5 << 24)) == "RTL"


def test_no_mode_is_guessed():
    """pymavlink calls Betaflight's mode 1 ACRO, which is its ANGLE."""
    assert [each.mode(heard(0, 2, 1, 200)) for each in (betaflight,)] == [""]
    assert ardupilot.mode(heard(3, 27, 1)) == ""
    assert ardupilot.mode(heard(3, 2, 4_000_000_000)) == ""
    assert px4.mode(heard(12, 2, 99 << 16)) == ""


@pytest.mark.parametrize("name", NAMES)
def test_a_shim_names_messages_that_exist(name: str):
    each = next(each for each in shim.SHIMS if name == each.NAME)
    assert set(each.STREAMS) <= NUMBER_OF.keys()
    assert not each.TIME or each.TIME in NUMBER_OF
    assert each.TESTED


def test_each_firmware_has_a_name_of_its_own():
    assert len(set(NAMES)) == len(NAMES) == 4
    assert set(shim.BY_VARIANT) == {"BTFL", "INAV"}
