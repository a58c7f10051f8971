"""The folder of a recording key, and rec.pub: one form, whatever mail does to its blanks."""

from __future__ import annotations

import os

import pytest

from keys import grant, recording_header
from keys.errors import AlreadyExists, BadName, GrantError, MalformedMessage, MissingFile, NotListed, WrongFile, WrongMode
from keys.folders import recording_public, station_public
from keys.folders.recording import PROFILES, RecordingFolder
from keys.folders.recording_public import RecordingPublic
from keys.grant import Profile
from keys.order_station import OrderRecording
from tests import agency

# The key is Alice's of RFC 7748 section 6.1, as in test_station_public.py.
ALICE = bytes.fromhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
FILE = b"""\
-----BEGIN ZEGEL RECORDING KEY-----
name: archive
profile: x25519
fingerprint: 300c-9c96-03b9-2a4b-39ed-3958-bf92-4011

hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=
-----END ZEGEL RECORDING KEY-----
"""


def test_a_known_file():
    public = RecordingPublic("archive", Profile.X25519, ALICE)
    assert public.encode() == FILE
    assert recording_public.parse(FILE, "rec.pub") == public
    for changed in (FILE.replace(b"\n", b"\r\n"), FILE.replace(b"\n", b"  \n"), b"\n\n" + FILE + b"\n", FILE.rstrip()):
        assert recording_public.parse(changed, "") == public


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        (b"name: archive", b"name: ", MalformedMessage, "not of the form of a recording key's public file"),
        (b"name: archive", b"name: arch\x07ive", MalformedMessage, "not of the form"),
        (b"name: archive", b"name: archive\nagency: Harbour Police", MalformedMessage, "not of the form"),
        (b"profile: x25519", b"profile: x448", GrantError, "no profile 'x448'"),
        (b"fingerprint: ", b"fingerprint: 0", MalformedMessage, "does not have the fingerprint"),
        (b"=\n-----END", b"\n-----END", MalformedMessage, "not base64"),
        (b"ZEGEL RECORDING KEY", b"ZEGEL STATION", WrongFile, "is a station's public file, not a recording key's public"),
    ],
)
def test_it_has_one_form(old, new, error, message):
    assert old in FILE
    with pytest.raises(error, match=message):
        recording_public.parse(FILE.replace(old, new), "rec.pub")


def test_a_recording_key_is_no_station():
    with pytest.raises(WrongFile, match="is a recording key's public file, not a station's") as error:
        station_public.parse(FILE, "rec.pub")
    assert error.value.hint == "zegel station init makes it: station.pub"


@pytest.mark.parametrize("profile", PROFILES)
def test_made_opened_and_it_opens_a_recording(tmp_path, profile):
    public = RecordingFolder.init(tmp_path / "archive", "Archiv Küste", profile)
    folder = RecordingFolder.open(tmp_path / "archive")
    assert (folder.name, folder.profile, folder.pub) == ("Archiv Küste", profile, public.pub)
    assert recording_public.parse((tmp_path / "archive/rec.pub").read_bytes(), "") == public
    other = agency.order().recording
    order = agency.order(recording=(*other, OrderRecording(77, folder.name, folder.profile, folder.pub)))
    header = recording_header.seal(order, bytes(32), bytes(16), bytes(16), b"k" * 32, 1, 0)
    assert header.open(folder.id_in(order), folder.profile, folder.seed) == b"k" * 32


def test_x25519_is_not_offered():
    """Recordings are kept for years, and no link carries their headers."""
    assert {profile.label for profile in PROFILES} == {"x-wing", "p-384", "mlkem1024-p384"}


def test_an_order_that_does_not_list_it(tmp_path):
    RecordingFolder.init(tmp_path / "archive", "archive", Profile.P_384)
    folder = RecordingFolder.open(tmp_path / "archive")
    with pytest.raises(NotListed, match=r"not sealed to 'archive' with key .*; it is sealed to 'archive-1' with key"):
        folder.id_in(agency.order())
    with pytest.raises(NotListed, match="it is sealed to none"):
        folder.id_in(agency.order(recording=()))


def test_the_seed_is_secret_and_nothing_is_overwritten(tmp_path):
    RecordingFolder.init(path := tmp_path / "archive", "archive", Profile.X_WING)
    folder = RecordingFolder.open(path)
    assert ((path / "seed").stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o600, 0o700)
    assert folder.seed not in (path / "rec.pub").read_bytes()
    assert folder.seed.hex() not in repr(folder)
    with pytest.raises(AlreadyExists):
        RecordingFolder.init(path, "archive", Profile.X_WING)
    with pytest.raises(BadName):
        RecordingFolder.init(tmp_path / "another", "arch\nive", Profile.X_WING)
    assert not (tmp_path / "another").exists()


def test_what_is_not_its_folder(tmp_path):
    with pytest.raises(MissingFile) as missing:
        RecordingFolder.open(tmp_path / "archive")
    assert missing.value.hint == "name the folder that zegel recording keygen made"
    (tmp_path / "empty").mkdir(0o700)
    with pytest.raises(WrongFile, match=r"is not a recording key's folder: it holds no rec\.pub") as wrong:
        RecordingFolder.open(tmp_path / "empty")
    assert wrong.value.hint == "name the folder that zegel recording keygen made"
    RecordingFolder.init(path := tmp_path / "archive", "archive", Profile.X_WING)
    (path / "seed").write_bytes(grant.generate(Profile.X_WING, os.urandom))
    with pytest.raises(WrongFile, match="seed does not belong to") as wrong:
        RecordingFolder.open(path)
    assert wrong.value.hint == "restore both from a copy of the folder"
    (path / "seed").chmod(0o644)
    with pytest.raises(WrongMode):
        RecordingFolder.open(path)
    (path / "seed").unlink()
    with pytest.raises(MissingFile):
        RecordingFolder.open(path)
