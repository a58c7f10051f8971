"""Track: where the aircraft was, out of GLOBAL_POSITION_INT, as GPX and KML.

What lives here: one position, and the two forms, written position by position.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

from firmware_shims import mavlink
from gateway.recording.export.wall_clock import WallClock

GLOBAL_POSITION_INT = 33
_FIELDS = struct.Struct("<IiiiihhhH")  # ms since boot; degrees * 1e7; mm above sea level, above home; cm/s; degrees * 100


class Position(NamedTuple):
    """Degrees, and meters above sea level and above the home position."""

    time_ns: int
    latitude: float
    longitude: float
    altitude: float
    above_home: float


def position(time_ns: int, frame: bytes) -> Position | None:
    """None if the frame is another message, or the autopilot does not know where it is and says 0, 0."""
    if mavlink.message_id(frame) != GLOBAL_POSITION_INT:
        return None
    fields = mavlink.payload(frame)[: _FIELDS.size].ljust(_FIELDS.size, b"\0")
    _, latitude, longitude, altitude, above_home, *_ = _FIELDS.unpack(fields)
    if not latitude and not longitude:
        return None
    return Position(time_ns, latitude / 1e7, longitude / 1e7, altitude / 1e3, above_home / 1e3)


class Gpx:
    """GPX 1.1. `write` takes text."""

    def __init__(self, write: Callable[[str], object], clock: WallClock) -> None:
        self._write, self._clock = write, clock
        write('<?xml version="1.0" encoding="UTF-8"?>\n')
        write(
            '<gpx version="1.1" creator="zegel" xmlns="http://www.topografix.com/GPX/1/1">\n<trk><name>flight</name><trkseg>\n'
        )

    def add(self, at: Position) -> None:
        time = self._clock.iso(at.time_ns)
        stamp = f"<time>{time}</time>" if time else ""
        self._write(
            f'<trkpt lat="{at.latitude:.7f}" lon="{at.longitude:.7f}"><ele>{at.altitude:.3f}</ele>{stamp}</trkpt>\n',
        )

    def end(self) -> None:
        self._write("</trkseg></trk>\n</gpx>\n")


class Kml:
    """KML 2.2: one line, at heights above sea level."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        write('<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2"><Document>\n')
        write("<Placemark><name>flight</name><LineString><altitudeMode>absolute</altitudeMode><coordinates>\n")

    def add(self, at: Position) -> None:
        self._write(f"{at.longitude:.7f},{at.latitude:.7f},{at.altitude:.3f}\n")

    def end(self) -> None:
        self._write("</coordinates></LineString></Placemark>\n</Document></kml>\n")


def near(track: Sequence[Position], time_ns: int, oldest_ns: int) -> Position | None:
    """The last position at this time, if it is not older."""
    at = bisect_right(track, time_ns, key=lambda one: one.time_ns)
    return track[at - 1] if at and time_ns - track[at - 1].time_ns <= oldest_ns else None
