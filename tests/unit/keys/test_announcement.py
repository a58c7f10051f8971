from __future__ import annotations

import dataclasses
import os

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keys import announcement, cose, grant
from keys.announcement import TYP, Announcement
from keys.errors import BadSignature, GrantError, KeysError, MalformedMessage, WrongType
from keys.grant import Profile

SESSION = Ed25519PrivateKey.generate()
SEED = grant.generate(Profile.X25519, os.urandom)
PUBLIC = grant.public_bytes(Profile.X25519, SEED)
BASE_KEYS = {0x1A4: b"t" * 32, 0x2A4: b"v" * 32}
UPLINK = b"u" * 32
HEADER = Announcement(b"s" * 16, b"o" * 32, 4, 1, 5, {}, b"")
SEALED = announcement.seal(HEADER, Profile.X25519, PUBLIC, BASE_KEYS, UPLINK)


def sealed_map(plain: object, commitments: dict[int, bytes] | None = None) -> Announcement:
    """An announcement whose grant holds whatever a faulty or malicious aircraft puts there."""
    sealed = grant.seal(Profile.X25519, PUBLIC, HEADER.info(), cose.dumps(plain))
    return dataclasses.replace(
        HEADER, commitments=SEALED.commitments if commitments is None else commitments, sealed=sealed
    )


@pytest.mark.parametrize("profile", Profile)
def test_sealed_signed_verified_and_opened(profile: Profile):
    seed = grant.generate(profile, os.urandom)
    sealed = announcement.seal(HEADER, profile, grant.public_bytes(profile, seed), BASE_KEYS, UPLINK)
    received = announcement.verify(cose.parse_sign1(sealed.sign(SESSION)), SESSION.public_key())
    assert received == sealed
    granted = received.open(profile, seed)
    assert (granted.base_keys, granted.uplink_key) == (BASE_KEYS, UPLINK)
    assert received.commitments == {kid: grant.commitment(key, kid) for kid, key in BASE_KEYS.items()}


def test_it_names_its_session_before_it_is_verified():
    message = cose.parse_sign1(SEALED.sign(SESSION))
    assert message.unprotected == {cose.HEADER_KID: HEADER.session_id[:8]}


def test_no_key_shows_in_a_repr():
    granted = SEALED.open(Profile.X25519, SEED)
    assert repr(granted) == "Grant()"


def test_another_station_opens_nothing():
    with pytest.raises(GrantError, match="does not open"):
        SEALED.open(Profile.X25519, grant.generate(Profile.X25519, os.urandom))


@pytest.mark.parametrize(
    "change",
    [{"order_hash": bytes(32)}, {"session_id": bytes(16)}, {"epoch": 5}, {"station": 2}, {"suite": 4}],
    ids=",".join,
)
def test_a_grant_for_another_purpose_opens_nothing(change: dict[str, object]):
    with pytest.raises(GrantError, match="does not open"):
        dataclasses.replace(SEALED, **change).open(Profile.X25519, SEED)  # type: ignore[arg-type]


GOOD = {**BASE_KEYS, 16: UPLINK}
WRONG_GRANTS: dict[str, object] = {
    "no uplink key": BASE_KEYS,
    "a lane too few": {0x1A4: BASE_KEYS[0x1A4], 16: UPLINK},
    "a lane too many": {**GOOD, 0x3A4: bytes(32)},
    "another key": {**GOOD, 0x2A4: b"V" * 32},
    "keys swapped": {0x1A4: BASE_KEYS[0x2A4], 0x2A4: BASE_KEYS[0x1A4], 16: UPLINK},
    "a short key": {**GOOD, 0x2A4: b"v" * 31},
    "no map": [BASE_KEYS[0x1A4]],
    "a key that is text": {**GOOD, 0x2A4: "v" * 32},
    "nothing": {},
}


@pytest.mark.parametrize("plain", WRONG_GRANTS.values(), ids=WRONG_GRANTS)
def test_a_grant_that_is_not_what_it_commits_to(plain: object):
    with pytest.raises(KeysError) as caught:
        sealed_map(plain).open(Profile.X25519, SEED)
    assert isinstance(caught.value, (GrantError, MalformedMessage))


def test_a_grant_that_is_no_cbor():
    sealed = grant.seal(Profile.X25519, PUBLIC, HEADER.info(), b"\xff")
    with pytest.raises(MalformedMessage):
        dataclasses.replace(SEALED, sealed=sealed).open(Profile.X25519, SEED)


def test_a_commitment_to_nothing_is_not_met_by_a_key():
    with pytest.raises(GrantError, match="does not hold the keys"):
        sealed_map(GOOD, commitments={}).open(Profile.X25519, SEED)
    assert sealed_map({16: UPLINK}, commitments={}).open(Profile.X25519, SEED).base_keys == {}


# --- the signed message ---


def fields() -> dict[int, object]:
    names = ("session_id", "order_hash", "epoch", "station", "suite", "commitments", "sealed")
    return {key: getattr(SEALED, name) for key, name in enumerate(names, 1)}


def verified(values: object, typ: str = TYP) -> Announcement:
    message = cose.sign1(cose.dumps(values), typ, SESSION)
    return announcement.verify(cose.parse_sign1(message), SESSION.public_key())


def test_of_another_session_or_another_kind():
    with pytest.raises(BadSignature):
        announcement.verify(cose.parse_sign1(SEALED.sign(SESSION)), Ed25519PrivateKey.generate().public_key())
    with pytest.raises(WrongType, match="not a zegel-ka"):
        verified(fields(), typ="zegel-beat")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (1, bytes(17)),
        (2, bytes(31)),
        (3, 1 << 32),
        (4, 16),
        (4, True),
        (5, 4),
        (6, {0x1A4: bytes(31)}),
        (6, {1 << 16: bytes(32)}),
        (6, []),
        (7, "sealed"),
    ],
)
def test_a_value_out_of_its_range(key: int, value: object):
    with pytest.raises(MalformedMessage, match=f"the announcement has a bad value under key {key}"):
        verified({**fields(), key: value})


@pytest.mark.parametrize("values", [{}, [], {**fields(), 8: 0}, {k: v for k, v in fields().items() if k != 7}])
def test_a_map_with_other_keys(values: object):
    with pytest.raises(MalformedMessage, match="the announcement"):
        verified(values)


@pytest.mark.parametrize("unprotected", [{}, {4: b"another."}, {4: b"s" * 8, 5: b""}, {5: b"s" * 8}])
def test_it_has_one_form_only(unprotected: dict[int, object]):
    message = cose.parse_sign1(cose.sign1(cose.dumps(fields()), TYP, SESSION, {4: b"s" * 8}))
    announcement.verify(message, SESSION.public_key())
    with pytest.raises(MalformedMessage, match="one form"):
        announcement.verify(dataclasses.replace(message, unprotected=unprotected), SESSION.public_key())
