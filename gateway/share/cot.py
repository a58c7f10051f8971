"""Cursor on Target: the event by which a TAK client shows an aircraft on its map.

What lives here: the form (MITRE MP090284, "Cursor on Target message router user's guide", and its event schema 2.0; the
details `contact`, `track`, `sensor`, `__video` as ATAK reads them). What must not: sockets, clocks.

The height of an event is one above the ellipsoid of WGS 84. That of MAVLink's positions is above mean sea level, tens of
meters off, so an aircraft that does not say the other one has an unknown height here, and the one it says is in the text.
"""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

from gateway.share.sightings import Sighting
from gateway.share.view_cone import OLD_AFTER_S, view_cone
from gateway.view.telemetry import Telemetry
from keys.printable import printable

STALE_AFTER_S = 5.0  # behind the time of the position: a client greys out what does not come again
UNKNOWN = "9999999.0"
NAME_MAX = 128
_FIXED_WING = 1  # MAV_TYPE
_VIDEO_WAIT_MS = "12000"


def uid(agency: str, device: str) -> str:
    """The same at each station of the agency, and after each start."""
    return f"zegel.{printable(agency, NAME_MAX)}.{printable(device, NAME_MAX)}"


def event(sighting: Sighting, video: str = "") -> bytes:
    """An XML document. `video`: the address of its video; empty if there is none."""
    values, at = sighting.seen.telemetry, sighting.position.at
    fixed = values.vehicle is not None and values.vehicle.v.type == _FIXED_WING
    name = uid(sighting.agency, sighting.device)
    made = ET.Element("event", version="2.0", uid=name, type=f"a-f-A-M-{'F' if fixed else 'H'}-Q", how="m-g")
    for key, after_s in (("time", 0.0), ("start", 0.0), ("stale", STALE_AFTER_S)):
        made.set(key, _stamp(sighting.time_us + round(after_s * 1e6)))
    where = sighting.position.v
    place = {"lat": f"{where.lat:.7f}", "lon": f"{where.lon:.7f}", "hae": _ellipsoid(values, at)}
    ET.SubElement(made, "point", place, ce=UNKNOWN, le=UNKNOWN)
    detail = ET.SubElement(made, "detail")
    ET.SubElement(detail, "contact", callsign=printable(sighting.device, NAME_MAX))
    _add_track(detail, values, at)
    _add_sensor(detail, values, at)
    if video:
        _add_video(detail, name, video, printable(sighting.device, NAME_MAX))
    ET.SubElement(detail, "remarks").text = _heights(sighting)
    return bytes(ET.tostring(made, encoding="utf-8", xml_declaration=True))


def _add_track(detail: ET.Element, values: Telemetry, at: float) -> None:
    course, speed = values.course, values.ground_speed
    if course is not None and speed is not None and at - course.at <= OLD_AFTER_S:
        ET.SubElement(detail, "track", course=f"{course.v:.1f}", speed=f"{speed.v:.2f}")


def _add_sensor(detail: ET.Element, values: Telemetry, at: float) -> None:
    if (cone := view_cone(values, at)) is None:
        return
    said = {"azimuth": cone.azimuth, "elevation": cone.elevation, "roll": cone.roll, "fov": cone.hfov}
    known = {**said, "vfov": cone.vfov, "range": cone.range_m}
    words = {key: f"{value:.1f}" for key, value in known.items() if value is not None}
    ET.SubElement(detail, "sensor", words, north="0.0")


def _add_video(detail: ET.Element, name: str, url: str, alias: str) -> None:
    """Without a login: everybody on the TAK network reads this."""
    parts = urlsplit(url)
    video = ET.SubElement(detail, "__video", uid=name, url=url)
    ET.SubElement(
        video,
        "ConnectionEntry",
        {"uid": name, "alias": alias, "protocol": parts.scheme, "path": parts.path},
        address=parts.hostname or "",
        port=str(parts.port or ""),
        networkTimeout=_VIDEO_WAIT_MS,
        rtspReliable="1",
        bufferTime="-1",
        roverPort="-1",
        ignoreEmbeddedKLV="false",
    )


def _ellipsoid(values: Telemetry, at: float) -> str:
    gnss = values.gnss
    if gnss is None or gnss.v.ellipsoid_m is None or at - gnss.at > OLD_AFTER_S:
        return UNKNOWN
    return f"{gnss.v.ellipsoid_m:.2f}"


def _heights(sighting: Sighting) -> str:
    where = sighting.position.v
    said = ((where.alt_m, "above mean sea level"), (where.height_m, "above home"))
    return ", ".join(f"{value:.1f} m {above}" for value, above in said if value is not None)


def _stamp(time_us: int) -> str:
    """RFC 3339, in UTC, to a millisecond."""
    return datetime.fromtimestamp(time_us / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
