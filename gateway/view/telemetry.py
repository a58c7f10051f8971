"""Telemetry: the values of an aircraft that a screen shows, each with the time at which it came.

What lives here: their names and units. What must not: where they come from (aircraft.py). None: the aircraft did not say
it. Nothing is a number that JSON does not have: NaN and infinity are None, too.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Value(msgspec.Struct, Generic[T], frozen=True):
    """`at`: seconds of the clock that the frames were taken with."""

    v: T
    at: float


class Position(msgspec.Struct, frozen=True):
    """WGS 84, degrees and meters: `alt_m` above mean sea level, `height_m` above home."""

    lat: float
    lon: float
    alt_m: float | None = None
    height_m: float | None = None


class Attitude(msgspec.Struct, frozen=True):
    """Degrees."""

    roll: float
    pitch: float
    yaw: float


class Battery(msgspec.Struct, frozen=True):
    volt: float | None
    ampere: float | None
    percent: int | None


class Gnss(msgspec.Struct, frozen=True):
    """`fix`: GPS_FIX_TYPE, and the same in words. `ellipsoid_m`: the height above the ellipsoid of WGS 84, in meters."""

    fix: int
    text: str
    satellites: int | None
    hdop: float | None
    ellipsoid_m: float | None = None


class Radio(msgspec.Struct, frozen=True):
    """As the radio says it (RADIO_STATUS): strengths of 0 to 254, whose scale depends on the radio; `errors` is a count."""

    rssi: int | None
    remote_rssi: int | None
    noise: int | None
    remote_noise: int | None
    errors: int


class Gimbal(msgspec.Struct, frozen=True):
    """Degrees; pitch 0 is the horizon, and -90 down. `yaw` counts from north if `yaw_is_absolute`, else from the nose."""

    roll: float
    pitch: float
    yaw: float
    yaw_is_absolute: bool


class Camera(msgspec.Struct, frozen=True):
    """The angles of view in degrees, and the place on the ground that the middle of its picture shows."""

    hfov: float | None
    vfov: float | None
    lat: float | None
    lon: float | None
    alt_m: float | None


class Vehicle(msgspec.Struct, frozen=True):
    """`type`: MAV_TYPE. `firmware`: its name; empty if it is not known here."""

    type: int
    firmware: str


class Telemetry(msgspec.Struct):
    """Speeds in m/s, directions in degrees from north: `heading` of its nose, `course` of its way over the ground.

    `mode`: its name; empty if the firmware's names are not known.
    """

    position: Value[Position] | None = None
    heading: Value[float] | None = None
    course: Value[float] | None = None
    ground_speed: Value[float] | None = None
    air_speed: Value[float] | None = None
    climb: Value[float] | None = None
    attitude: Value[Attitude] | None = None
    mode: Value[str] | None = None
    armed: Value[bool] | None = None
    battery: Value[Battery] | None = None
    gnss: Value[Gnss] | None = None
    radio: Value[Radio] | None = None
    gimbal: Value[Gimbal] | None = None
    camera: Value[Camera] | None = None
    vehicle: Value[Vehicle] | None = None
    utc_us: Value[int] | None = None  # Unix time by the aircraft's own clock
