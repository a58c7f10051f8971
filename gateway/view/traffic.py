"""Traffic: other aircraft that this one hears, by ADS-B and by remote identification.

What must not live here: belief. Any transmitter can claim any identity and any place, and many of them.
"""

from __future__ import annotations

import msgspec

from gateway.view.messages import Fields
from gateway.view.numbers import UINT16_MAX, finite, place
from keys.printable import printable

KEPT_MAX, KEPT_FOR_S = 200, 60.0
PER_S, AT_ONCE = 100.0, 400.0
NAME_MAX = 24
_HAS_PLACE, _HAS_ALTITUDE, _HAS_HEADING, _HAS_NAME = 1, 2, 4, 16  # ADSB_FLAGS
_HEADING_UNKNOWN = 36_100  # MAV_ODID_LOCATION: direction 361 degrees
_ALTITUDE_UNKNOWN = -1000.0
_CIRCLE = 36_000


class Neighbour(msgspec.Struct, frozen=True):
    """`kind`: adsb or remote_id. `at`: of its last position."""

    kind: str
    id: str
    lat: float
    lon: float
    alt_m: float | None
    heading: float | None
    at: float


class Traffic:
    """`neighbours`, oldest first; `dropped` counts messages beyond `PER_S`."""

    def __init__(self) -> None:
        self.dropped = 0
        self._found: dict[tuple[str, str], Neighbour] = {}
        self._names: dict[str, str] = {}  # of remote identification, by its address
        self._left, self._at = AT_ONCE, float("-inf")

    def at(self, now: float) -> list[Neighbour]:
        """Those that were heard in the last minute."""
        for key in [key for key, one in self._found.items() if now - one.at > KEPT_FOR_S]:
            del self._found[key]
        return [*self._found.values()]

    def allows(self, at: float) -> bool:
        """Whether one more may be read; a flood costs its checksum and nothing else."""
        self._left = min(AT_ONCE, self._left + PER_S * max(0.0, at - max(self._at, at - AT_ONCE)))
        self._at = at
        if self._left < 1:
            self.dropped += 1
            return False
        self._left -= 1
        return True

    def adsb(self, said: Fields, at: float) -> None:
        flags, where = said["flags"], place(said["lat"], said["lon"])
        if where is None or not flags & _HAS_PLACE:
            return
        name = said["callsign"].partition(b"\0")[0].decode("ascii", "replace").strip() if flags & _HAS_NAME else ""
        alt = finite(said["altitude"], 1000) if flags & _HAS_ALTITUDE else None
        heading = said["heading"] % _CIRCLE / 100 if flags & _HAS_HEADING and said["heading"] != UINT16_MAX else None
        self._put("adsb", f"{said['ICAO_address'] & 0xFFFFFF:06x}", name, Neighbour("adsb", "", *where, alt, heading, at))

    def remote_name(self, said: Fields) -> None:
        """OPEN_DRONE_ID_BASIC_ID."""
        name = bytes(said["uas_id"]).partition(b"\0")[0].decode("ascii", "replace")
        self._names.pop(address := bytes(said["id_or_mac"]).hex(), None)
        self._names[address] = printable(name, NAME_MAX)
        while len(self._names) > KEPT_MAX:
            del self._names[next(iter(self._names))]

    def remote_place(self, said: Fields, at: float) -> None:
        """OPEN_DRONE_ID_LOCATION."""
        where, address = place(said["latitude"], said["longitude"]), bytes(said["id_or_mac"]).hex()
        if where is None:
            return
        alt = None if said["altitude_geodetic"] == _ALTITUDE_UNKNOWN else finite(said["altitude_geodetic"])
        heading = None if said["direction"] >= _HEADING_UNKNOWN else said["direction"] % _CIRCLE / 100
        one = Neighbour("remote_id", "", *where, alt, heading, at)
        self._put("remote_id", address, self._names.get(address, ""), one)

    def _put(self, kind: str, address: str, name: str, one: Neighbour) -> None:
        """The newest is last."""
        self._found.pop((kind, address), None)
        named = printable(name, NAME_MAX) or address[:NAME_MAX]
        self._found[kind, address] = msgspec.structs.replace(one, id=named)
        while len(self._found) > KEPT_MAX:
            del self._found[next(iter(self._found))]
