"""The private seed of an HPKE key, in the folder of a station or of a recording key. SPEC.md section 3."""

from __future__ import annotations

from pathlib import Path

from keys import grant
from keys.errors import GrantError, WrongFile
from keys.folders import store
from keys.grant import Profile

NAME = "seed"


def read(folder: Path, public: str, profile: Profile, pub: bytes, hint: str) -> bytes:
    """The seed of `pub`, which is in the file `public` of this folder. MissingFile, WrongMode; WrongFile with this hint."""
    seed = store.read_secret(folder / NAME)
    try:
        fits = grant.public_bytes(profile, seed) == pub
    except GrantError:
        fits = False
    if not fits:
        raise WrongFile(f"{folder / NAME} does not belong to {folder / public}", hint=hint)
    return seed
