"""rec.pub: what an agency needs to list a recording key in an order, as text that can be mailed (public_text.py)."""

from __future__ import annotations

import dataclasses

from keys.certificate import fingerprint
from keys.folders import public_text
from keys.folders.files import Kind
from keys.grant import Profile


@dataclasses.dataclass(frozen=True, slots=True)
class RecordingPublic:
    """The content of a rec.pub. `pub` is the HPKE public key, as its profile encodes it."""

    name: str
    profile: Profile
    pub: bytes

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.pub)

    def encode(self) -> bytes:
        """The file."""
        return public_text.encode(Kind.RECORDING, {"name": self.name}, self.profile, self.pub)


def parse(data: bytes, path: object) -> RecordingPublic:
    """WrongFile, MalformedMessage or GrantError."""
    (name,), profile, pub = public_text.parse(Kind.RECORDING, ("name",), data, path)
    return RecordingPublic(name, profile, pub)
