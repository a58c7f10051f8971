"""Numbers: values of MAVLink fields as numbers that can be shown, or None.

Every field may hold anything: NaN, infinity, a place that is not on Earth, MAVLink's own values for "not known".
"""

from __future__ import annotations

import math

INT32_MAX, UINT16_MAX, UINT8_MAX = (1 << 31) - 1, (1 << 16) - 1, (1 << 8) - 1
_DEGREES_E7 = 1e7
_LATITUDE_MAX, _LONGITUDE_MAX = 90 * 10**7, 180 * 10**7
FARTHEST_M = 1e6  # a height or a speed beyond is no measurement


def finite(value: float, scale: float = 1.0, digits: int = 2) -> float | None:
    """`value` / `scale`, rounded; None if it is no number or beyond every measurement."""
    if not math.isfinite(value) or abs(value / scale) > FARTHEST_M:
        return None
    return round(value / scale, digits)


def known(value: int, unknown: int, scale: float = 1.0) -> float | None:
    """None for the value by which MAVLink says that it is not known."""
    return None if value == unknown else round(value / scale, 2)


def place(lat: int, lon: int) -> tuple[float, float] | None:
    """From 1e-7 degrees to degrees. None for what is not on Earth, and for 0, 0, which means that none is known."""
    if abs(lat) > _LATITUDE_MAX or abs(lon) > _LONGITUDE_MAX or (lat == 0 and lon == 0):
        return None
    return lat / _DEGREES_E7, lon / _DEGREES_E7


def angles(w: float, x: float, y: float, z: float) -> tuple[float, float, float] | None:
    """Roll, pitch, yaw in degrees of a quaternion; None if it is none."""
    norm = math.sqrt(w * w + x * x + y * y + z * z) if all(map(math.isfinite, (w, x, y, z))) else 0.0
    if not 0.5 < norm < 2:  # noqa: PLR2004 - one, with what rounding and a careless sender make of it
        return None
    w, x, y, z = w / norm, x / norm, y / norm, z / norm
    roll = math.atan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y))
    pitch = math.asin(max(-1.0, min(1.0, 2 * (w * y - z * x))))
    yaw = math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    return round(math.degrees(roll), 1), round(math.degrees(pitch), 1), round(math.degrees(yaw), 1)


def meters_between(one: tuple[float, float], other: tuple[float, float]) -> float:
    """On the sphere, good for a few hundred kilometers."""
    lat = math.radians((one[0] + other[0]) / 2)
    east = ((other[1] - one[1] + 180) % 360 - 180) * math.cos(lat)
    return 111_195.0 * math.hypot(other[0] - one[0], east)
