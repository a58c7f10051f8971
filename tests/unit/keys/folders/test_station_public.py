"""station.pub: one form, whatever mail does to its blanks."""

from __future__ import annotations

import pytest

from keys import grant
from keys.errors import GrantError, MalformedMessage, WrongFile
from keys.folders import station_public
from keys.folders.station_public import StationPublic
from keys.grant import Profile

# The key is Alice's of RFC 7748 section 6.1; base64(1) and sha256sum(1) made the rest.
ALICE = bytes.fromhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
FILE = b"""\
-----BEGIN ZEGEL STATION-----
name: pilot
agency: Harbour Police
profile: x25519
fingerprint: 300c-9c96-03b9-2a4b-39ed-3958-bf92-4011

hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=
-----END ZEGEL STATION-----
"""


@pytest.fixture
def data():
    return FILE


def test_a_known_file():
    public = StationPublic("pilot", "Harbour Police", Profile.X25519, ALICE)
    assert public.encode() == FILE
    assert station_public.parse(FILE, "pilot.pub") == public


@pytest.mark.parametrize("profile", Profile)
def test_every_profile_comes_back(profile):
    seed = bytes([1]) * (grant.P384_SCALAR_SIZE if profile is Profile.P_384 else grant.SEED_SIZE)
    public = StationPublic("pilöt", "Küste", profile, grant.public_bytes(profile, seed))
    assert station_public.parse(public.encode(), "") == public
    assert max(map(len, public.encode().splitlines())) <= 80


def test_mail_may_change_line_ends_and_blanks(data):
    public = station_public.parse(data, "")
    for changed in (data.replace(b"\n", b"\r\n"), data.replace(b"\n", b"  \n"), b"\n\n" + data + b"\n", data.rstrip()):
        assert station_public.parse(changed, "") == public


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        (b"name: pilot", b"name: ", MalformedMessage, "not of the form"),
        (b"name: pilot", b"name: pi\x07lot", MalformedMessage, "not of the form"),
        (b"name: pilot", b"name: pi\xfflot\xe2\x80\xae", MalformedMessage, "not of the form"),
        (b"agency: ", b"owner: ", MalformedMessage, "not of the form"),
        (b"profile: x25519", b"profile: x448", GrantError, "no profile 'x448'"),
        (b"profile: x25519", b"profile: p-384", GrantError, "not a public key of profile p-384"),
        (b"fingerprint: ", b"fingerprint: 0", MalformedMessage, "does not have the fingerprint"),
        (b"=\n-----END", b"\n-----END", MalformedMessage, "not base64"),
        (b"-----END ZEGEL STATION-----", b"", MalformedMessage, "not of the form"),
        (
            b"-----BEGIN ZEGEL STATION-----",
            b"-----BEGIN CERTIFICATE-----",
            WrongFile,
            "is a certificate, not a station's public",
        ),
    ],
)
def test_it_has_one_form(data, old, new, error, message):
    assert old in data
    with pytest.raises(error, match=message):
        station_public.parse(data.replace(old, new), "pilot.pub")


def test_cut_or_damaged_it_is_refused_or_the_same_key(data):
    public = station_public.parse(data, "")
    damaged = [data[:size] for size in range(len(data))]
    damaged += [data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :] for at in range(len(data)) for bit in range(8)]
    for changed in damaged:
        try:
            parsed = station_public.parse(changed, "")
        except (WrongFile, MalformedMessage, GrantError):
            continue
        assert parsed.pub == public.pub
