"""View cone: where the camera of an aircraft looks, out of its gimbal, its heading and its angles of view.

What lives here: angles. What must not: the forms in which outputs tell them.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from gateway.view.numbers import meters_between
from gateway.view.telemetry import Telemetry, Value

OLD_AFTER_S = 2.0  # no value is held for longer
FIELD_OLD_AFTER_S = 10.0  # angles of view are said seldom
STEEP_ENOUGH = 5.0  # degrees below the horizon; what looks higher meets no ground that is near
FARTHEST_M = 10_000.0


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
