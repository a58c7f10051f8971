from __future__ import annotations

import dataclasses
import os

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keys import cose, grant, recording_header
from keys.errors import BadSignature, GrantError, MalformedMessage, WrongType
from keys.grant import Profile
from keys.order_station import OrderRecording
from keys.recording_header import CONTENT_TYPE, SCHEME, TYP, RecordingHeader
from tests import agency
from tests.vectors.independent import cbor

SESSION = Ed25519PrivateKey.generate()
SESSION_ID, REC_ID, ORDER_HASH = bytes(range(16)), bytes(range(16, 32)), bytes(range(32, 64))
RK_0 = bytes(range(64, 96))
SEEDS = {n: grant.generate(profile, os.urandom) for n, profile in enumerate(Profile, 7)}  # an id is any number
KEYS = tuple(OrderRecording(n, f"archive-{n}", p, grant.public_bytes(p, SEEDS[n])) for n, p in enumerate(Profile, 7))
ORDER = agency.order(recording=KEYS)
HEADER = recording_header.seal(ORDER, ORDER_HASH, SESSION_ID, REC_ID, bytearray(RK_0), 2, 1_500_000)


def signed(values: object, unprotected: dict[int, object] | None = None) -> bytes:
    unprotected = {cose.HEADER_KID: SESSION_ID[:8]} if unprotected is None else unprotected
    return cose.sign1(cose.dumps(values), TYP, SESSION, unprotected)


def content() -> dict[int, object]:
    entries = [list(entry) for entry in HEADER.keys]
    return {1: REC_ID, 2: ORDER_HASH, 3: SESSION_ID, 4: CONTENT_TYPE, 5: SCHEME, 6: entries, 7: 2, 8: 1_500_000}


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.profile.label)
def test_sealed_signed_verified_and_opened(key: OrderRecording):
    message = recording_header.sign(HEADER.payload(), SESSION, SESSION_ID, ORDER_HASH)
    found = recording_header.verify(message, SESSION.public_key())
    assert found == HEADER
    assert found.open(key.id, key.profile, SEEDS[key.id]) == RK_0


def test_one_entry_for_each_recording_key_of_the_order_in_its_sequence():
    assert [number for number, _ in HEADER.keys] == [key.id for key in KEYS]


def test_the_payload_is_the_one_of_the_specification():
    assert cose.loads(HEADER.payload()) == content()
    assert HEADER.payload() == cbor(content())


def test_what_a_sealed_key_is_bound_to():
    for number, sealed in HEADER.keys:
        info = cbor(["zegel/1 recording", ORDER_HASH, SESSION_ID, REC_ID, number])
        assert grant.unseal(KEYS[number - 7].profile, SEEDS[number], info, sealed) == RK_0


@pytest.mark.parametrize("change", ["order_hash", "session_id", "rec_id"])
def test_a_key_of_another_recording_does_not_open(change: str):
    other = dataclasses.replace(HEADER, **{change: bytes(len(getattr(HEADER, change)))})
    with pytest.raises(GrantError, match="does not open with this recording key"):
        other.open(7, Profile.X_WING, SEEDS[7])


def test_another_recording_key_opens_nothing():
    with pytest.raises(GrantError, match="does not open"):
        HEADER.open(7, Profile.X_WING, grant.generate(Profile.X_WING, os.urandom))
    with pytest.raises(GrantError, match="not sealed to recording key 6"):
        HEADER.open(6, Profile.X_WING, SEEDS[7])
    with pytest.raises(GrantError, match="does not open"):
        HEADER.open(8, Profile.X_WING, SEEDS[7])  # the entry of another key


def test_a_first_key_of_another_size():
    short = recording_header.seal(ORDER, ORDER_HASH, SESSION_ID, REC_ID, bytes(31), 2, 0)
    with pytest.raises(GrantError, match="31 bytes"):
        short.open(7, Profile.X_WING, SEEDS[7])


def test_an_order_without_a_recording_key_gives_no_header():
    """No one could open it: nothing is recorded (SPEC.md section 8)."""
    header = recording_header.seal(dataclasses.replace(ORDER, recording=()), ORDER_HASH, SESSION_ID, REC_ID, RK_0, 1, 0)
    with pytest.raises(MalformedMessage, match="bad value under key 6"):
        recording_header.sign(header.payload(), SESSION, SESSION_ID, ORDER_HASH)


# --- what is signed ---


@pytest.mark.parametrize("change", ["order_hash", "session_id"])
def test_only_a_header_of_this_session_and_order_is_signed(change: str):
    other = dataclasses.replace(HEADER, **{change: bytes(len(getattr(HEADER, change)))})
    with pytest.raises(MalformedMessage, match="another session or order"):
        recording_header.sign(other.payload(), SESSION, SESSION_ID, ORDER_HASH)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (1, bytes(15)),
        (2, bytes(31)),
        (3, bytes(17)),
        (4, "application/octet-stream"),
        (4, CONTENT_TYPE.encode()),
        (5, SCHEME.replace("512", "256")),
        (6, []),
        (6, [[7]]),
        (6, [[7, b"", 1]]),
        (6, [[7, b"a"], [7, b"b"]]),
        (6, [["7", b"a"]]),
        (6, [[True, b"a"]]),
        (6, [[1 << 32, b"a"]]),
        (6, [[7, "a"]]),
        (6, [[n, b"a"] for n in range(17)]),
        (6, {7: b"a"}),
        (7, 0),
        (7, 6),
        (7, True),
        (8, -1),
        (8, None),
    ],
)
def test_a_value_out_of_its_range_is_neither_signed_nor_accepted(key: int, value: object):
    values = {**content(), key: value}
    with pytest.raises(MalformedMessage, match=f"bad value under key {key}|names a recording key twice"):
        recording_header.sign(cose.dumps(values), SESSION, SESSION_ID, ORDER_HASH)
    with pytest.raises(MalformedMessage):
        recording_header.verify(signed(values), SESSION.public_key())


@pytest.mark.parametrize("values", [{}, [], b"", {**content(), 9: 0}, {k: v for k, v in content().items() if k != 8}])
def test_a_map_with_other_keys(values: object):
    with pytest.raises(MalformedMessage, match="the recording header"):
        recording_header.sign(cose.dumps(values), SESSION, SESSION_ID, ORDER_HASH)


# --- what is verified ---


def test_another_session_did_not_sign_it():
    message = recording_header.sign(HEADER.payload(), SESSION, SESSION_ID, ORDER_HASH)
    with pytest.raises(BadSignature):
        recording_header.verify(message, Ed25519PrivateKey.generate().public_key())


def test_another_kind_of_message():
    """A beat of the same session key is no header, whatever its content."""
    message = cose.sign1(HEADER.payload(), "zegel-beat", SESSION, {cose.HEADER_KID: SESSION_ID[:8]})
    with pytest.raises(WrongType, match="not a zegel-rec"):
        recording_header.verify(message, SESSION.public_key())


@pytest.mark.parametrize("unprotected", [{}, {4: b"anything"}, {4: SESSION_ID[:8], 5: b""}, {5: SESSION_ID[:8]}])
def test_it_has_one_form_only(unprotected: dict[int, object]):
    recording_header.verify(signed(content()), SESSION.public_key())
    with pytest.raises(MalformedMessage, match="one form"):
        recording_header.verify(signed(content(), unprotected), SESSION.public_key())


def test_every_byte_is_covered():
    """No damaged header is taken for another one: BadSignature, WrongType or MalformedMessage, and nothing else."""
    small = recording_header.seal(agency.order(), ORDER_HASH, SESSION_ID, REC_ID, RK_0, 1, 0)
    message = recording_header.sign(small.payload(), SESSION, SESSION_ID, ORDER_HASH)
    for damaged in (*agency.flips(message), *(message[:size] for size in range(len(message)))):
        with pytest.raises((BadSignature, WrongType, MalformedMessage)):
            recording_header.verify(damaged, SESSION.public_key())


def test_no_first_key_is_in_a_header():
    assert isinstance(HEADER, RecordingHeader)
    assert RK_0 not in HEADER.payload()
