"""station.pub: the data that an agency needs to list a station in an order, as text that can be mailed.

    -----BEGIN ZEGEL STATION-----
    name: pilot
    agency: Harbour Police
    profile: x-wing
    fingerprint: 8d1c-...                 of the key; compared over another channel, such as the phone

    <the public key, base64 of RFC 4648 section 4>
    -----END ZEGEL STATION-----

Nothing in it is secret and nothing is signed: the agency that lists it in an order signs that order.
"""

from __future__ import annotations

import base64
import dataclasses
import re
import textwrap

from keys import fields, grant
from keys.certificate import fingerprint
from keys.errors import MalformedMessage
from keys.folders import files
from keys.folders.files import Kind
from keys.grant import Profile

COLUMNS = 64  # of the base64 part, as in PEM (RFC 7468)
_FORM = re.compile(
    r"-----BEGIN ZEGEL STATION-----\n"
    r"name: (.+)\nagency: (.+)\nprofile: (.+)\nfingerprint: (.+)\n\n"
    r"([A-Za-z0-9+/=\n]+)\n"
    r"-----END ZEGEL STATION-----"
)


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
        head = f"name: {self.name}\nagency: {self.agency}\nprofile: {self.profile.label}\nfingerprint: {self.fingerprint}"
        body = textwrap.fill(base64.b64encode(self.pub).decode(), COLUMNS)
        return f"-----BEGIN ZEGEL STATION-----\n{head}\n\n{body}\n-----END ZEGEL STATION-----\n".encode()


def parse(data: bytes, name: object) -> StationPublic:
    """WrongFile, MalformedMessage or GrantError. Any line ends and blanks before them: mail programs change them."""
    files.expect(Kind.STATION, data, name)
    lines = data.decode("utf-8", "replace").strip().splitlines()
    form = _FORM.fullmatch("\n".join(line.rstrip() for line in lines))
    if form is None or not all(fields.NAME(text) for text in form.group(1, 2)):
        raise MalformedMessage(f"{name} is not of the form of a station's public file")
    try:
        pub = base64.b64decode(form[5].replace("\n", ""), validate=True)
    except ValueError:
        raise MalformedMessage(f"the key in {name} is not base64") from None
    public = StationPublic(form[1], form[2], Profile.from_name(form[3]), pub)
    if public.fingerprint != form[4]:
        raise MalformedMessage(f"the key in {name} does not have the fingerprint that the file states")
    grant.check_public(public.profile, pub)
    return public
