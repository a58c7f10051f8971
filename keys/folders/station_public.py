"""station.pub: what an agency needs to list a station in an order, as text that can be mailed (public_text.py)."""

from __future__ import annotations

import dataclasses

from keys.certificate import fingerprint
from keys.folders import public_text
from keys.folders.files import Kind
from keys.grant import Profile


@dataclasses.dataclass(frozen=True, slots=True)
class StationPublic:
    """The content of a station.pub. `pub` is the HPKE public key, as its profile encodes it."""

    name: str
    agency: str
    profile: Profile
    pub: bytes

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.pub)

    def encode(self) -> bytes:
        """The file."""
        return public_text.encode(Kind.STATION, {"name": self.name, "agency": self.agency}, self.profile, self.pub)


def parse(data: bytes, name: object) -> StationPublic:
    """WrongFile, MalformedMessage or GrantError."""
    (station, agency), profile, pub = public_text.parse(Kind.STATION, ("name", "agency"), data, name)
    return StationPublic(station, agency, profile, pub)
