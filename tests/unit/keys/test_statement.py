from __future__ import annotations

import dataclasses
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from keys import cose, statement
from keys.errors import BadSignature, MalformedMessage, WrongType
from keys.statement import TYP, Statement

DEVICE = ed25519.Ed25519PrivateKey.generate()
SESSION = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()
STATED = Statement(bytes(range(32)), 2, SESSION, 41, 1_700_000_000)


def signed_map(values: object, unprotected: dict[int, object] | None = None) -> cose.Sign1:
    return cose.parse_sign1(cose.sign1(cose.dumps(values), TYP, DEVICE, unprotected))


def fields() -> dict[int, object]:
    return {2: bytes(range(32)), 3: 2, 4: SESSION, 5: 41, 6: 1_700_000_000}


@pytest.mark.parametrize("key", [DEVICE, ec.generate_private_key(ec.SECP256R1())], ids=["ed25519", "p-256"])
def test_signed_by_the_device_and_read_back(key: cose.PrivateKey):
    message = STATED.sign(key)
    assert len(message) <= 1180  # a statement is one control datagram: SPEC.md section 4.1
    assert statement.verify(cose.parse_sign1(message), key.public_key()) == STATED


def test_the_session_id_is_the_hash_of_what_was_signed():
    """Nobody opens a session under another's id: SPEC.md section 5.1."""
    assert cose.loads(STATED.payload()) == fields()
    assert STATED.session_id() == hashlib.sha256(STATED.payload()).digest()[:16]
    assert STATED.session_key().public_bytes_raw() == SESSION
    changes: list[dict[str, object]] = [
        {"order_hash": bytes(32)},
        {"device_index": 3},
        {"session_public": bytes(32)},
        {"boot_counter": 42},
        {"unix_time": 0},
    ]
    ids = {dataclasses.replace(STATED, **change).session_id() for change in changes}  # type: ignore[arg-type]
    assert len(ids | {STATED.session_id()}) == 6


def test_another_device_did_not_sign_it():
    with pytest.raises(BadSignature):
        statement.verify(cose.parse_sign1(STATED.sign(DEVICE)), ed25519.Ed25519PrivateKey.generate().public_key())


def test_another_kind_of_message():
    with pytest.raises(WrongType, match="not a zegel-ss"):
        statement.verify(cose.parse_sign1(cose.sign1(STATED.payload(), "zegel-beat", DEVICE)), DEVICE.public_key())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (2, bytes(31)),
        (2, "text"),
        (3, 256),
        (3, -1),
        (3, True),
        (4, bytes(33)),
        (5, -1),
        (5, b"41"),
        (6, None),
    ],
)
def test_a_value_out_of_its_range(key: int, value: object):
    with pytest.raises(MalformedMessage, match=f"bad value under key {key}"):
        statement.verify(signed_map({**fields(), key: value}), DEVICE.public_key())


@pytest.mark.parametrize("values", [{}, [], b"", {**fields(), 7: 0}, {k: v for k, v in fields().items() if k != 6}])
def test_a_map_with_other_keys(values: object):
    with pytest.raises(MalformedMessage, match="the statement"):
        statement.verify(signed_map(values), DEVICE.public_key())


@pytest.mark.parametrize("unprotected", [{}, {4: b"anything"}, {4: b"\x03"}, {4: b"\x02", 5: b""}, {5: b"\x02"}])
def test_it_has_one_form_only(unprotected: dict[int, object]):
    """The unprotected header is not signed: if it were free, anyone could make endless statements out of one."""
    statement.verify(signed_map(fields(), {4: b"\x02"}), DEVICE.public_key())
    with pytest.raises(MalformedMessage, match="one form"):
        statement.verify(signed_map(fields(), unprotected), DEVICE.public_key())
