"""Betaflight: MSP, or its own MAVLink, which is MAVLink 1 of system 0 up to version 4.6.

Sources: betaflight/betaflight src/main/msp/msp.c, msp_box.c, telemetry/mavlink.c.
"""

from __future__ import annotations

from firmware_shims import msp_values
from firmware_shims.heartbeat import GENERIC, Heartbeat
from firmware_shims.msp_values import NO_FIX, Position, Power, Status

NAME = "Betaflight"
TESTED = "Betaflight 4.6 in simulation: MSP, and its own MAVLink"
# It fills autopilot = 0 in, like others, and sends from this component; its modes in custom_mode are not documented.
MAVLINK_COMPONENT = 200
TIME = ""
STREAMS: dict[str, int] = {}
LISTENS = False  # up to 4.6 it sends only
PARAMETERS_HELD: dict[str, str] = {}
FILES_HELD: dict[str, str] = {}

VARIANT = "BTFL"
VEHICLE = 2  # MAV_TYPE_QUADROTOR
STATUS, POWER = msp_values.STATUS_EX, msp_values.ANALOG
MODES = {1: "ANGLE", 2: "HORIZON", 3: "ALTHOLD", 11: "POS HOLD", 12: "PASSTHRU", 27: "FAILSAFE", 46: "GPS RESCUE"}
STABILIZED = frozenset({1, 2})  # of the modes, those that level the aircraft
_SENSORS = (
    *(msp_values.ACCELEROMETER, msp_values.BAROMETER, msp_values.MAGNETOMETER, msp_values.GPS),
    *(0, msp_values.GYRO),
)
_FIX_3D_SATELLITES = 5


def is_it(heard: Heartbeat) -> bool:
    return heard.firmware == GENERIC and heard.compid == MAVLINK_COMPONENT


def mode(heard: Heartbeat) -> str:  # noqa: ARG001 - what its numbers mean is not documented
    return ""


def position(payload: bytes) -> Position:
    """Its fix is a flag."""
    return msp_values.position(payload, _fix)


def _fix(fix: int, satellites: int) -> int:
    if not fix:
        return NO_FIX
    return msp_values.FIX_3D if satellites >= _FIX_3D_SATELLITES else msp_values.FIX_2D


def status(payload: bytes) -> Status:
    """STATUS_EX: 32 flags, and more of them behind a count."""
    _, _, found, low, _, load, _, _, more = msp_values.read("<HHHIBHBBB", payload)
    size, at = more & 0x0F, 16
    (high,) = msp_values.read(f"<{at}x{size}s", payload)
    there = msp_values.sensors(found, _SENSORS)
    return Status(there, there, min(load, 100) * 10, low | int.from_bytes(high, "little") << 32)


def power(payload: bytes) -> Power:
    """ANALOG: versions before 4.1 have no hundredths of a volt at its end."""
    tenths, _, _, current = msp_values.read("<BHHh", payload)
    hundredths = msp_values.read("<7xH", payload)[0] if len(payload) >= 9 else tenths * 10  # noqa: PLR2004
    return Power(hundredths * 10, current, -1)
