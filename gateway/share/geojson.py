"""GeoJSON (RFC 7946) and JSON lines of the aircraft, for a geographic information system.

What lives here: their form. What must not: sockets, clocks. A value that is not known, or is old, is not there. A third
coordinate would be a height above the ellipsoid, which few aircraft say; heights are properties, each with its own name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from gateway.share.sightings import Sighting
from gateway.share.view_cone import OLD_AFTER_S, footprint, view_cone

GONE_AFTER_S = 10.0  # then an aircraft has no place any more; its track stays
_VALUES = ("heading", "course", "ground_speed", "climb", "armed", "mode")


def collection(sightings: Iterable[Sighting], now: float) -> bytes:
    """A FeatureCollection. `now`: by the clock of the positions."""
    features = [feature for one in sightings for feature in _features(one, now)]
    return msgspec.json.encode({"type": "FeatureCollection", "features": features})


def line(sighting: Sighting) -> bytes:
    """One position, with its line end."""
    where = sighting.position.v
    return msgspec.json.encode({**_said(sighting), "lat": where.lat, "lon": where.lon}) + b"\n"


def _features(one: Sighting, now: float) -> Iterator[dict[str, Any]]:
    where, age_s = one.position.v, now - one.position.at
    if age_s <= GONE_AFTER_S:
        place = {"type": "Point", "coordinates": [where.lon, where.lat]}
        yield _feature(one, "position", place, {**_said(one), "age_s": round(max(0.0, age_s), 1)})
        cone = view_cone(one.seen.telemetry, now)
        if cone and (corners := footprint(cone, where)):
            ring = [[lon, lat] for lat, lon in reversed(corners)]  # an outer ring turns counterclockwise (section 3.1.6)
            yield _feature(one, "footprint", {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}, _named(one))
    track = [[point.lon, point.lat] for point in one.seen.track.points]
    if len(track) > 1:
        yield _feature(one, "track", {"type": "LineString", "coordinates": track}, _named(one))


def _feature(one: Sighting, kind: str, geometry: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    name = f"{one.agency}/{one.device}/{kind}"
    return {"type": "Feature", "id": name, "geometry": geometry, "properties": {"kind": kind, **properties}}


def _named(one: Sighting) -> dict[str, Any]:
    return {"agency": one.agency, "device": one.device}


def _said(one: Sighting) -> dict[str, Any]:
    where, values, at = one.position.v, one.seen.telemetry, one.position.at
    time = datetime.fromtimestamp(one.time_us / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    said = {**_named(one), "time": time, "alt_msl_m": where.alt_m, "height_above_home_m": where.height_m}
    if values.gnss is not None and at - values.gnss.at <= OLD_AFTER_S:
        said["alt_ellipsoid_m"] = values.gnss.v.ellipsoid_m
    for name in _VALUES:
        value = getattr(values, name)
        said[name] = value.v if value is not None and at - value.at <= OLD_AFTER_S else None
    return {name: value for name, value in said.items() if value is not None}
