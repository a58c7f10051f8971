"""MSP values: what the replies say, in the units of MAVLink. The layouts that Betaflight and iNav share.

What lives here: the content of one reply. A payload that is too short is a ValueError; firmware appends fields in new
versions, so more bytes are none. What must not: when one is asked, what is made of it.
Source: betaflight/betaflight src/main/msp/msp.c, iNavFlight/inav src/main/fc/fc_msp.c.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

FC_VARIANT, FC_VERSION, STATUS_EX, RAW_GPS, ATTITUDE, ALTITUDE, ANALOG, BOXIDS = 2, 3, 150, 106, 108, 109, 110, 119
ARM = 0  # the permanent id of the box that means armed, in all firmware

# Of MAV_SYS_STATUS_SENSOR.
GYRO, ACCELEROMETER, MAGNETOMETER, BAROMETER, GPS, PITOT = 1, 2, 4, 8, 32, 16


class Attitude(NamedTuple):
    """Radians; pitch is positive with the nose up, as in MAVLink and unlike MSP; yaw is 0 to 2 pi."""

    roll: float
    pitch: float
    yaw: float


class Altitude(NamedTuple):
    """Metres above the place of the start, metres a second upwards."""

    height: float
    climb: float


class Position(NamedTuple):
    """`fix` as in GPS_FIX_TYPE; degrees * 1e7, metres above the sea, cm/s, and degrees * 100."""

    fix: int
    satellites: int
    latitude: int
    longitude: int
    altitude: int
    speed: int
    course: int

    @property
    def known(self) -> bool:
        return self.fix > NO_FIX


class Power(NamedTuple):
    """mV, 10 mA, percent; -1 for a percentage that is not known."""

    voltage: int
    current: int
    percent: int


class Status(NamedTuple):
    """`sensors` as in MAV_SYS_STATUS_SENSOR, those that are healthy and those that are there; `load` in parts of 1,000.

    `boxes`: a bit for each active box, in the order of BOXIDS.
    """

    there: int
    healthy: int
    load: int
    boxes: int


NO_FIX, FIX_2D, FIX_3D = 1, 2, 3
Values = Attitude | Altitude | Position | Power | Status


def read(form: str, payload: bytes) -> tuple[Any, ...]:
    """The first fields of a payload; ValueError if it is shorter."""
    size = struct.calcsize(form)
    if len(payload) < size:
        raise ValueError(f"a payload of {len(payload)} bytes, and not of {size}")
    return struct.unpack_from(form, payload)


def attitude(payload: bytes) -> Attitude:
    roll, pitch, yaw = read("<hhh", payload)
    return Attitude(math.radians(roll / 10), math.radians(-pitch / 10), math.radians(yaw % 360))


def altitude(payload: bytes) -> Altitude:
    height, climb = read("<ih", payload)
    return Altitude(height / 100, climb / 100)


def position(payload: bytes, fix_of: Callable[[int, int], int]) -> Position:
    """`fix_of` the first two fields: the kind of fix by this firmware, and the satellites."""
    fix, satellites, latitude, longitude, above_sea, speed, course = read(
        "<BBiihHH", payload
    )  # below the sea the metres are negative
    return Position(fix_of(fix, satellites), satellites, latitude, longitude, above_sea, speed, course % 3600 * 10)


def sensors(bits: int, meaning: tuple[int, ...]) -> int:
    """`meaning`: of each bit, from the lowest on; 0 for one that MAVLink has no bit for."""
    return sum(meant for place, meant in enumerate(meaning) if bits >> place & 1)
