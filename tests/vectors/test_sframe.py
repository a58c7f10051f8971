"""RFC 9605 Appendix C: headers, key derivation, and suite 5 through the sealer and the opener whole.

Suite 4 is here because its derivation is ours too; only suite 5 is ever on the wire.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.batch import Batch
from gateway.core import sframe
from gateway.core.ground.session import Lease, OpeningKey, Session
from gateway.core.sealer import Sealer
from keys import keyring
from keys.keyring import SendKey
from keys.lanes import Lane
from keys.statement import Statement
from tests.memory_link import World
from tests.vectors.sources import shared

HEADERS = (  # Appendix C.1: KID, CTR, encoded
    (0, 0, "00"),
    (0, 1, "01"),
    (1, 0, "10"),
    (1, 255, "18ff"),
    (255, 0, "80ff"),
    (255, 255, "88ffff"),
    (256, 0, "900100"),
    (256, 65_536, "9a0100010000"),
    (65_535, 1, "91ffff"),
    (65_535, 4_294_967_295, "9bffffffffffff"),
    (65_536, 1, "a1010000"),
    (1_099_511_627_776, 256, "d90100000000000100"),
    (18_446_744_073_709_551_615, 18_446_744_073_709_551_615, "ff" * 17),
)


class Vector(NamedTuple):
    """Appendix C.3; all of its AEAD vectors have this KID, CTR, base_key, metadata and plaintext."""

    suite: int
    key: bytes
    salt: bytes
    nonce: bytes
    ciphertext: bytes


KID, CTR = 0x123, 0x4567
BASE_KEY = bytes(range(16))
METADATA = b"IETF SFrame WG"
PLAINTEXT = b"draft-ietf-sframe-enc"
HEADER = bytes.fromhex("9901234567")
AEADS = (
    Vector(
        suite=4,
        key=bytes.fromhex("d34f547f4ca4f9a7447006fe7fcbf768"),
        salt=bytes.fromhex("75234edefe07819026751816"),
        nonce=bytes.fromhex("75234edefe07819026755d71"),
        ciphertext=bytes.fromhex("9901234567b7412c2513a1b66dbb48841bbaf17f598751176ad847681a69c6d0b091c07018ce4adb34eb"),
    ),
    Vector(
        suite=5,
        key=bytes.fromhex("d3e27b0d4a5ae9e55df01a70e6d4d28d969b246e2936f4b7a5d9b494da6b9633"),
        salt=bytes.fromhex("84991c167b8cd23c93708ec7"),
        nonce=bytes.fromhex("84991c167b8cd23c9370cba0"),
        ciphertext=bytes.fromhex("990123456794f509d36e9beacb0e261d99c7d1e972f1fed787d4049f17ca21353c1cc24d56ceabced279"),
    ),
)


def check_header(kid: int, ctr: int, encoded: bytes) -> None:
    assert sframe.encode_header(kid, ctr) == encoded
    assert sframe.decode_header(encoded + b"ciphertext") == (kid, ctr, len(encoded))
    for size in range(len(encoded)):
        with pytest.raises(ValueError, match="header"):
            sframe.decode_header(encoded[:size])
    for first, kid_size in ((sframe.DOWNLINK_FIRST, sframe.DOWNLINK_KID), (sframe.UPLINK_FIRST, sframe.UPLINK_KID)):
        if encoded[0] >> 4 == first >> 4:
            check_in_batch(kid, ctr, encoded, kid_size)


def check_in_batch(kid: int, ctr: int, encoded: bytes, kid_size: int) -> None:
    """The functions of the data path, for KIDs of two and eight bytes: all that a link has."""
    longest = 1 + kid_size + sframe.CTR_BYTES_MAX
    heads = np.frombuffer(encoded.ljust(longest, b"\xee")[:longest], np.uint8)
    parsed = [column.item() for column in sframe.parse(heads[np.newaxis], kid_size)]
    if len(encoded) > longest:
        assert not parsed[3], "no key lives long enough for a CTR of five bytes"
        return
    assert [parsed[0] % (1 << 64), *parsed[1:]] == [kid, ctr, len(encoded), True]
    assert bytes(sframe.HeaderBlock(kid, bytes(12), b"", ctr).headers[0]) == encoded


@pytest.mark.parametrize(("kid", "ctr", "encoded"), HEADERS)
def test_header(kid: int, ctr: int, encoded: str):
    check_header(kid, ctr, bytes.fromhex(encoded))


@pytest.mark.shared
def test_every_header_of_the_appendix():
    headers = shared("sframe/test-vectors.json")["header"]
    assert len(headers) == 289
    for header in headers:
        check_header(header["kid"], header["ctr"], bytes.fromhex(header["encoded"]))


@pytest.mark.parametrize("vector", AEADS, ids=lambda vector: f"suite-{vector.suite}")
def test_derivation_nonce_and_ciphertext(vector: Vector):
    assert keyring.derive(BASE_KEY, KID, vector.suite) == (vector.key, vector.salt)
    assert sframe.encode_header(KID, CTR) == HEADER
    assert sframe.nonce(vector.salt, CTR) == vector.nonce
    header = np.frombuffer(HEADER, np.uint8)[np.newaxis]
    assert sframe.pairs(vector.salt, header, np.array([CTR], np.int64), METADATA) == [(vector.nonce, HEADER + METADATA)]
    assert HEADER + AESGCM(vector.key).encrypt(vector.nonce, PLAINTEXT, HEADER + METADATA) == vector.ciphertext


@pytest.mark.shared
def test_the_constants_are_those_of_the_appendix():
    published = {v["cipher_suite"]: v for v in shared("sframe/test-vectors.json")["sframe"]}
    for vector in AEADS:
        theirs = published[vector.suite]
        assert (theirs["kid"], theirs["ctr"]) == (KID, CTR)
        names = ("base_key", "metadata", "pt", "sframe_key", "sframe_salt", "nonce", "ct")
        ours = (BASE_KEY, METADATA, PLAINTEXT, vector.key, vector.salt, vector.nonce, vector.ciphertext)
        assert [bytes.fromhex(theirs[name]) for name in names] == list(ours)


def test_the_sealer_makes_the_suite_5_ciphertext():
    key = SendKey(BASE_KEY, KID)
    assert key.reserve(CTR) == 0
    assert Sealer(METADATA).seal_one(key, PLAINTEXT) == AEADS[1].ciphertext


def test_the_opener_opens_the_suite_5_ciphertext():
    session = Session(Statement(bytes(32), 0, bytes(32), 1, 0), b"")
    session.session_id = METADATA  # a session_id is a hash; this one has to be the vector's
    opener = World().station().opener
    opener.listener.leases = {KID: (Lease(session, Lane.VIDEO_A, OpeningKey(BASE_KEY, KID), below=CTR + 1, epoch=0),)}
    batch = Batch()
    batch.append(AEADS[1].ciphertext)
    assert opener.open(batch, 0.0).slots(Lane.VIDEO_A) == [0]
    assert bytes(batch.view(0)) == PLAINTEXT
