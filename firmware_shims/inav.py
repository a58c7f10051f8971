"""iNav: MSP, or its own MAVLink. Its layouts are tested by vectors made from its source, and by no running iNav.

Sources: iNavFlight/inav src/main/fc/fc_msp.c, fc_msp_box.c, msp/msp_protocol_v2_inav.h, docs/Mavlink.md.
"""

from __future__ import annotations

from firmware_shims import msp_values
from firmware_shims.heartbeat import Heartbeat
from firmware_shims.msp_values import Position, Power, Status

NAME = "iNav"
TESTED = "vectors made from its source; no running iNav"
TIME = ""
STREAMS: dict[str, int] = {}
LISTENS = True
PARAMETERS_HELD: dict[str, str] = {}
FILES_HELD: dict[str, str] = {}

VARIANT = "INAV"
VEHICLE = 0  # MAV_TYPE_GENERIC: a plane, a quadrotor or a boat
STATUS, POWER = 0x2000, 0x2002
MODES = {
    **dict(enumerate(("ANGLE", "HORIZON", "NAV ALTHOLD"), 1)),
    **dict(enumerate(("NAV RTH", "NAV POSHOLD", "MANUAL"), 10)),
    **dict(zip((27, 28, 31, 36), ("FAILSAFE", "NAV WP", "GCS NAV", "NAV LAUNCH"), strict=True)),
    **dict(zip((45, 53, 64), ("NAV COURSE HOLD", "NAV CRUISE", "ANGLE HOLD"), strict=True)),
}
STABILIZED = frozenset({1, 2, 64})
_SENSORS = (
    *(msp_values.ACCELEROMETER, msp_values.BAROMETER, msp_values.MAGNETOMETER, msp_values.GPS),
    *(0, 0, msp_values.PITOT),
)
_HARDWARE_FAILED = 1 << 15
_FLAGS = slice(13, 13 + 16)
_POWER = "<BHHIIIIBH"
_POWER_SIZE = 24
PERCENT_MAX = 100
_FIXES = (msp_values.NO_FIX, msp_values.FIX_2D, msp_values.FIX_3D)


def is_it(heard: Heartbeat) -> bool:  # noqa: ARG001 - it calls itself GENERIC or ArduPilot, as its owner chooses
    return False


def mode(heard: Heartbeat) -> str:  # noqa: ARG001 - its numbers are ArduPilot's, approximately
    return ""


def position(payload: bytes) -> Position:
    return msp_values.position(payload, lambda fix, _: _FIXES[fix] if fix < len(_FIXES) else msp_values.NO_FIX)


def status(payload: bytes) -> Status:
    """INAV_STATUS: the flags of all boxes come last; behind its 16 bytes of them, new versions have another field."""
    _, _, found, load, _, _ = msp_values.read("<HHHHBI", payload)
    flags = payload[_FLAGS]
    there = msp_values.GYRO | msp_values.sensors(found, _SENSORS)
    return Status(there, 0 if found & _HARDWARE_FAILED else there, min(load, 100) * 10, int.from_bytes(flags, "little"))


def power(payload: bytes) -> Power:
    """INAV_ANALOG. Some forks have another order and another size, so only this size is read."""
    if len(payload) != _POWER_SIZE:
        raise ValueError(f"INAV_ANALOG of {len(payload)} bytes, and not of {_POWER_SIZE}")
    _, voltage, current, _, _, _, _, percent, _ = msp_values.read(_POWER, payload)
    return Power(voltage * 10, current, percent if percent <= PERCENT_MAX else -1)
