"""The folder of a recording key: what opens the recordings of every flight whose order lists it. SPEC.md sections 3 and 8.

    seed          private seed (keys.grant)               rec.pub       its public half, for the agency

No aircraft and no station has it. It is made where recordings are opened, and kept offline (CUSTODY.md).
"""

from __future__ import annotations

import os
from pathlib import Path

from keys import fields, grant
from keys.certificate import fingerprint
from keys.errors import NotListed
from keys.folders import recording_public, seed, store
from keys.folders.recording_public import RecordingPublic
from keys.grant import Profile
from keys.order import Order

PUBLIC, KIND = "rec.pub", "recording key"
PROFILES = tuple(profile for profile in Profile if profile is not Profile.X25519)  # a recording needs no narrow link


class RecordingFolder:
    """`open` makes one. The seed is never in a repr."""

    def __init__(self, path: Path) -> None:
        store.check_folder(path, PUBLIC, KIND)
        self.path = path
        self._public = recording_public.parse(store.read_public(path / PUBLIC), path / PUBLIC)
        restore = "restore both from a copy of the folder"
        self.seed = seed.read(path, PUBLIC, self.profile, self.pub, restore)

    @property
    def name(self) -> str:
        return self._public.name

    @property
    def profile(self) -> Profile:
        return self._public.profile

    @property
    def pub(self) -> bytes:
        return self._public.pub

    @classmethod
    def init(cls, path: Path, name: str, profile: Profile) -> RecordingPublic:
        """Make the folder with a new seed. BadName, AlreadyExists."""
        secret = grant.generate(profile, os.urandom)
        public = RecordingPublic(fields.require_name(name), profile, grant.public_bytes(profile, secret))
        with store.new_folder(path) as folder:
            store.write(folder / seed.NAME, secret)
            store.write(folder / PUBLIC, public.encode(), store.PUBLIC_MODE)
        return public

    @classmethod
    def open(cls, path: Path) -> RecordingFolder:
        """MissingFile, WrongMode, WrongFile, MalformedMessage."""
        return cls(path)

    def id_in(self, order: Order) -> int:
        """The id under which the order lists this key, as the headers of its recordings name it; NotListed."""
        for key in order.recording:
            if key.pub == self.pub:
                return key.id
        names = ", ".join(f"{key.name!r} with key {fingerprint(key.pub)}" for key in order.recording) or "none"
        raise NotListed(
            f"the recording is not sealed to {self.name!r} with key {fingerprint(self.pub)}; it is sealed to {names}",
            hint="use the folder of one of those keys",
        )
