"""View cone: where the camera of an aircraft looks, out of its gimbal, its heading and its angles of view.

What lives here: angles. What must not: the forms in which outputs tell them.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from gateway.view.numbers import meters_between
from gateway.view.telemetry import Position, Telemetry, Value

OLD_AFTER_S = 2.0  # no value is held for longer
FIELD_OLD_AFTER_S = 10.0  # angles of view are said seldom
STEEP_ENOUGH = 5.0  # degrees below the horizon; what looks higher meets no ground that is near
FARTHEST_M = 10_000.0
_WIDEST = 170.0  # degrees; a camera that sees more does not draw straight lines
_METERS_OF_A_DEGREE = 111_195.0  # on the sphere
_NEAR_A_POLE = 1e-6


class ViewCone(NamedTuple):
    """Degrees and meters: `azimuth` from north, `elevation` above the horizon. `range_m`: to the ground in its middle."""

    azimuth: float
    elevation: float
    roll: float
    hfov: float
    vfov: float | None
    range_m: float | None


def view_cone(values: Telemetry, at: float) -> ViewCone | None:
    """None if the aircraft does not say where its camera looks, or said it too long before `at`, or not how wide."""
    gimbal, camera = values.gimbal, values.camera
    if gimbal is None or camera is None or camera.v.hfov is None or not _fresh(gimbal, at):
        return None
    if not _fresh(camera, at, FIELD_OLD_AFTER_S):
        return None
    nose = 0.0 if gimbal.v.yaw_is_absolute else _nose(values, at)
    if nose is None:
        return None
    azimuth = round((nose + gimbal.v.yaw) % 360, 1) % 360
    return ViewCone(azimuth, gimbal.v.pitch, gimbal.v.roll, camera.v.hfov, camera.v.vfov, _range(values, at))


def _nose(values: Telemetry, at: float) -> float | None:
    if values.heading is not None and _fresh(values.heading, at):
        return values.heading.v
    return values.attitude.v.yaw if values.attitude is not None and _fresh(values.attitude, at) else None


def _range(values: Telemetry, at: float) -> float | None:
    """To the place that the camera says it sees; else to flat ground at the height of home."""
    position, gimbal, camera = values.position, values.gimbal, values.camera
    if position is None or gimbal is None or camera is None or position.v.height_m is None:
        return None
    height, seen = max(0.0, position.v.height_m), camera.v
    if seen.lat is not None and seen.lon is not None and _fresh(camera, at):
        away = meters_between((position.v.lat, position.v.lon), (seen.lat, seen.lon))
        return round(min(math.hypot(away, height), FARTHEST_M), 1)
    if not STEEP_ENOUGH <= -gimbal.v.pitch <= 180 - STEEP_ENOUGH:
        return None
    return round(min(height / math.sin(math.radians(-gimbal.v.pitch)), FARTHEST_M), 1)


def _fresh(value: Value[Any], at: float, within_s: float = OLD_AFTER_S) -> bool:
    return at - value.at <= within_s


def footprint(cone: ViewCone, where: Position) -> list[tuple[float, float]]:
    """The corners of what the camera sees of flat ground at the height of home, as (lat, lon).

    Empty if the height or an angle is not known, or if a corner of the picture meets no ground that is near.
    """
    if cone.vfov is None or where.height_m is None or where.height_m <= 0:
        return []
    across, up = (math.tan(math.radians(min(angle, _WIDEST) / 2)) for angle in (cone.hfov, cone.vfov))
    found = []
    for right, down in ((-across, -up), (across, -up), (across, up), (-across, up)):
        north, east, deep = _turned((1.0, right, down), cone)
        if deep / math.hypot(north, east, deep) < math.sin(math.radians(STEEP_ENOUGH)):
            return []
        scale = where.height_m / deep / _METERS_OF_A_DEGREE
        lon = where.lon + east * scale / max(math.cos(math.radians(where.lat)), _NEAR_A_POLE)
        found.append((round(where.lat + north * scale, 7), round(lon, 7)))
    return found


def _turned(ray: tuple[float, float, float], cone: ViewCone) -> tuple[float, float, float]:
    """A ray of the camera (forward, right, down) as (north, east, down): by roll, then elevation, then azimuth."""
    x, y, z = ray
    roll, pitch, yaw = (math.radians(angle) for angle in (cone.roll, cone.elevation, cone.azimuth))
    y, z = y * math.cos(roll) - z * math.sin(roll), y * math.sin(roll) + z * math.cos(roll)
    x, z = x * math.cos(pitch) + z * math.sin(pitch), z * math.cos(pitch) - x * math.sin(pitch)
    return x * math.cos(yaw) - y * math.sin(yaw), x * math.sin(yaw) + y * math.cos(yaw), z
