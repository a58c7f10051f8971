"""The stations of an order and its recording keys: whose keys they are, and what they are for. SPEC.md section 3.

What lives here: the form of one entry. Pure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from keys import fields, grant
from keys.errors import GrantError, MalformedOrder, UnknownGuard
from keys.grant import Profile
from keys.lanes import STATIONS_MAX, Role

GUARDS = ("observer", "camera-operator", "pilot", "maintainer")  # each allows what the one before allows, and more

_PROFILE = fields.between(min(Profile), max(Profile))
_STATION: Mapping[int, fields.Check] = {
    1: fields.between(1, STATIONS_MAX),
    2: fields.NAME,
    3: _PROFILE,
    4: fields.some_bytes,
    5: fields.between(1, sum(Role)),
    6: fields.NAME,
}
_STATION_MORE: Mapping[int, fields.Check] = {7: fields.NAME, 8: fields.text(256)}
_RECORDING = {1: fields.U32, 2: fields.NAME, 3: _PROFILE, 4: fields.some_bytes}


def default_guard(roles: Role) -> str:
    """The default for a station without one."""
    return "pilot" if roles & Role.COMMAND else "observer"


@dataclasses.dataclass(frozen=True, slots=True)
class OrderStation:
    """One station of an order: its key, and what it may read and send."""

    index: int  # 1..15, the same in all orders of the operation
    name: str
    profile: Profile
    pub: bytes
    roles: Role
    guard: str
    agency: str | None = None  # only if it differs from the order's
    witness: str | None = None  # C2SP signed-note verifier key


@dataclasses.dataclass(frozen=True, slots=True)
class OrderRecording:
    """A recording key of an order."""

    id: int
    name: str
    profile: Profile
    pub: bytes


def read_station(value: object) -> OrderStation:
    index, name, profile, pub, roles, guard, agency, witness = fields.read_map(
        value, "a station of the order", _STATION, _STATION_MORE
    )
    station = OrderStation(index, name, Profile(profile), pub, Role(roles), guard, agency, witness)
    if station.roles & Role.COMMAND and not station.roles & Role.TELEMETRY:
        raise MalformedOrder(f"station {name!r} may command but not see telemetry")
    _require_sealable(f"station {name!r}", station.profile, pub)
    return station


def require_guards(stations: Iterable[OrderStation], *, own: bool) -> None:
    """UnknownGuard for a name that is not listed, unless the order is for a guard.toml, which its holders judge."""
    for station in stations:
        if station.guard not in GUARDS and not own:
            raise UnknownGuard(f"station {station.name!r} has the guard policy {station.guard!r}, which is not known here")


def read_recording(value: object) -> OrderRecording:
    number, name, profile, pub = fields.read_map(value, "a recording key of the order", _RECORDING)
    _require_sealable(f"recording key {name!r}", Profile(profile), pub)
    return OrderRecording(number, name, Profile(profile), pub)


def _require_sealable(what: str, profile: Profile, pub: bytes) -> None:
    """A key to which nothing can be sealed would stop the aircraft at its start."""
    try:
        grant.check_public(profile, pub)
    except GrantError:
        raise MalformedOrder(f"the key of {what} is not one of profile {profile.label}") from None
