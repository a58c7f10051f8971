"""Text of a public key: one that can be mailed, to be listed in an order.

    -----BEGIN ZEGEL STATION-----
    name: pilot
    agency: Harbour Police                what else the kind of key has
    profile: x-wing
    fingerprint: 8d1c-...                 of the key; compared over another channel, such as the phone

    <the public key, base64 of RFC 4648 section 4>
    -----END ZEGEL STATION-----

Nothing in it is secret and nothing is signed: the agency that lists it in an order signs that order.
What lives here: the form. Which values a kind of key has is known to station_public.py and recording_public.py.
"""

from __future__ import annotations

import base64
import re
import textwrap
from collections.abc import Mapping, Sequence

from keys import fields, grant
from keys.certificate import fingerprint
from keys.errors import MalformedMessage
from keys.folders import files
from keys.folders.files import Kind
from keys.grant import Profile

COLUMNS = 64  # of the base64 part, as in PEM (RFC 7468)
LABELS = {Kind.STATION: "ZEGEL STATION", Kind.RECORDING: "ZEGEL RECORDING KEY"}


def encode(kind: Kind, values: Mapping[str, str], profile: Profile, pub: bytes) -> bytes:
    """The file."""
    named = {**values, "profile": profile.label, "fingerprint": fingerprint(pub)}
    head = "\n".join(f"{name}: {value}" for name, value in named.items())
    body, label = textwrap.fill(base64.b64encode(pub).decode(), COLUMNS), LABELS[kind]
    return f"-----BEGIN {label}-----\n{head}\n\n{body}\n-----END {label}-----\n".encode()


def parse(kind: Kind, names: Sequence[str], data: bytes, path: object) -> tuple[list[str], Profile, bytes]:
    """(the values of `names`, profile, public key). WrongFile, MalformedMessage or GrantError.

    Any line ends and blanks before them are accepted: mail programs change them.
    """
    files.expect(kind, data, path)
    lines = data.decode("utf-8", "replace").strip().splitlines()
    form = _form(LABELS[kind], names).fullmatch("\n".join(line.rstrip() for line in lines))
    if form is None or not all(map(fields.NAME, form.groups()[: len(names)])):
        raise MalformedMessage(f"{path} is not of the form of {kind.value}")
    *values, label, stated, body = form.groups()
    try:
        pub = base64.b64decode(body.replace("\n", ""), validate=True)
    except ValueError:
        raise MalformedMessage(f"the key in {path} is not base64") from None
    profile = Profile.from_name(label)
    if fingerprint(pub) != stated:
        raise MalformedMessage(f"the key in {path} does not have the fingerprint that the file states")
    grant.check_public(profile, pub)
    return values, profile, pub


def _form(label: str, names: Sequence[str]) -> re.Pattern[str]:
    head = "".join(rf"{name}: (.+)\n" for name in (*names, "profile", "fingerprint"))
    return re.compile(rf"-----BEGIN {label}-----\n{head}\n([A-Za-z0-9+/=\n]+)\n-----END {label}-----")
