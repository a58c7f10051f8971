"""Wycheproof: the primitives as our own code calls them, so that a change of library or of call is seen.

Every test counts what it ran: a file that is cut short or filtered to nothing does not pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from gateway.batch import HEADROOM, SLOT_SIZE, TAG_SIZE, Batch
from gateway.core.drop_reason import DropReason
from gateway.core.ground.opener import Opener, _Rows
from gateway.core.ground.session import Lease, Session
from gateway.core.sealer import Sealer
from keys import cose, grant
from keys.errors import BadSignature
from keys.grant import Profile
from keys.keyring import NONCE_SIZE, ReceiveKey, SendKey
from keys.lanes import Lane
from keys.statement import Statement
from tests.memory_link import World
from tests.vectors.independent import hkdf_expand, hkdf_extract
from tests.vectors.sources import shared

pytestmark = pytest.mark.shared

Case = dict[str, Any]


def cases(name: str) -> Iterator[tuple[Case, Case]]:
    """(group, case) of a file; a case that fails is named by its tcId."""
    for group in shared(f"wycheproof/{name}_test.json")["testGroups"]:
        for case in group["tests"]:
            yield group, case


def from_hex(case: Case, *names: str) -> list[bytes]:
    return [bytes.fromhex(case[name]) for name in names]


# --- AES-GCM as the data path calls it ---


def sealed(key: bytes, iv: bytes, aad: bytes, plaintext: bytes) -> bytes:
    """Through the sealer's own AEAD step. An SFrame header is at most 17 bytes, a vector's AAD may be longer."""
    sender, sealer, batch = SendKey(bytes(32), 0x1A4), Sealer(b""), Batch(1)
    sender.cipher, sender.salt = AESGCM(key), iv
    batch.append(plaintext)
    sealer._encrypt(sender, batch, range(1), [(iv, aad)])
    return bytes(batch.arena[HEADROOM : HEADROOM + len(plaintext) + TAG_SIZE])


def opened(opener: Opener, key: bytes, iv: bytes, aad: bytes, ciphertext: bytes, *, last: bool) -> tuple[bool, bytes]:
    """(verified, what stands in the slot behind the header), through the opener's own AEAD step."""
    receiver, batch = ReceiveKey(bytes(32), 0x1A4), Batch(1)
    receiver.cipher, receiver.salt = AESGCM(key), iv
    session = Session(Statement(bytes(32), 0, bytes(32), 1, 0), b"")
    session.session_id = b""  # the vector's AAD is all there is to authenticate
    batch.append(aad + ciphertext)
    lease = Lease(session, Lane.VIDEO_A, receiver, below=1, epoch=0)
    rows = _Rows(np.array([0]), np.array([0]), len(aad), slice(0, 1))
    (right,) = opener._verified(batch, lease, rows, last)
    return bool(right), bytes(batch.arena[HEADROOM + len(aad) : SLOT_SIZE])


def test_aes_gcm_through_sealer_and_opener():
    opener, counts = World().station().opener, {"valid": 0, "invalid": 0}
    for group, case in cases("aes_gcm"):
        if group["ivSize"] != NONCE_SIZE * 8:  # SFrame has no other nonce
            continue
        key, iv, aad, plaintext, ciphertext, tag = from_hex(case, "key", "iv", "aad", "msg", "ct", "tag")
        bad_tags = opener.drops[DropReason.BAD_TAG]
        right, slot = opened(opener, key, iv, aad, ciphertext + tag, last=True)
        assert right is (case["result"] == "valid"), case["tcId"]
        assert opener.drops[DropReason.BAD_TAG] - bad_tags == (not right), case["tcId"]
        counts[case["result"]] += 1
        if right:
            assert slot[: len(plaintext)] == plaintext, case["tcId"]
            assert sealed(key, iv, aad, plaintext) == ciphertext + tag, case["tcId"]
        else:
            assert not any(slot), f"case {case['tcId']}: a bad tag left something in the slot"
    assert counts == {"valid": 116, "invalid": 81}


def test_a_datagram_that_may_be_another_sessions_is_left_as_it_came():
    opener, count = World().station().opener, 0
    for group, case in cases("aes_gcm"):
        if group["ivSize"] != NONCE_SIZE * 8 or case["result"] == "valid":
            continue
        key, iv, aad, ciphertext, tag = from_hex(case, "key", "iv", "aad", "ct", "tag")
        right, slot = opened(opener, key, iv, aad, ciphertext + tag, last=False)
        assert not right
        assert slot.startswith(ciphertext + tag), case["tcId"]
        count += 1
    assert count == 81
    assert not opener.drops[DropReason.BAD_TAG]


# --- HKDF as keyring.derive and grant.commitment call it ---


@pytest.mark.parametrize(("name", "count"), [("sha256", 86), ("sha384", 83), ("sha512", 83)])
def test_hkdf(name: str, count: int):
    algorithm = {"sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512}[name]()
    ran = 0
    for _, case in cases(f"hkdf_{name}"):
        salt, ikm, info, okm = from_hex(case, "salt", "ikm", "info", "okm")
        prk = HKDF.extract(algorithm, salt, ikm)
        assert prk == hkdf_extract(name, salt, ikm), case["tcId"]
        if case["result"] == "valid":
            assert HKDFExpand(algorithm, case["size"], info).derive(prk) == okm, case["tcId"]
            assert hkdf_expand(name, prk, info, case["size"]) == okm, case["tcId"]
        else:
            with pytest.raises(ValueError, match="derive keys larger"):
                HKDFExpand(algorithm, case["size"], info)
        ran += 1
    assert ran == count


# --- X25519 as profile 2 makes its keys ---


def test_x25519():
    ran = 0
    for _, case in cases("x25519"):
        private, public, secret = from_hex(case, "private", "public", "shared")
        ran += 1
        ours, theirs = grant._private(Profile.X25519, private), grant._public(Profile.X25519, public)
        if any(secret):
            assert ours.exchange(theirs) == secret, case["tcId"]
        else:  # a point of small order: RFC 7748 section 6.1 leaves the check to the caller, who makes it
            with pytest.raises(ValueError, match="shared key"):
                ours.exchange(theirs)
    assert ran == 518


# --- signatures as keys.cose checks them ---


def verifies(key: cose.PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        cose._verify(key, signature, message)
    except BadSignature:
        return False
    return True


def test_ed25519():
    ran = 0
    for group, case in cases("ed25519"):
        key = cose.load_public(cose.Alg.ED25519, bytes.fromhex(group["publicKey"]["pk"]))
        message, signature = from_hex(case, "msg", "sig")
        assert verifies(key, signature, message) is (case["result"] == "valid"), case["tcId"]
        ran += 1
    assert ran == 151


def test_ecdsa_p384_as_fixed_size_signatures():
    """The vectors are DER and half of them are bad DER, which COSE cannot express: r and s have 48 bytes each."""
    ran = 0
    for group, case in cases("ecdsa_secp384r1_sha384"):
        message, der = from_hex(case, "msg", "sig")
        try:
            raw = b"".join(part.to_bytes(48, "big") for part in utils.decode_dss_signature(der))
        except (ValueError, OverflowError):
            assert case["result"] != "valid"
            continue
        point = bytes.fromhex(group["publicKey"]["uncompressed"])
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), point)
        assert verifies(key, raw, message) is (case["result"] == "valid"), case["tcId"]
        assert not verifies(key, raw[:-1], message)
        ran += 1
    assert ran >= 194


def test_ml_dsa_65():
    ran = 0
    for group, case in cases("mldsa_65_verify"):
        if "ctx" in case:  # RFC 9964 signs with the empty context
            continue
        try:
            key = mldsa.MLDSA65PublicKey.from_public_bytes(bytes.fromhex(group["publicKey"]))
        except ValueError:
            assert case["result"] != "valid"
            continue
        message, signature = from_hex(case, "msg", "sig")
        assert verifies(key, signature, message) is (case["result"] == "valid"), case["tcId"]
        ran += 1
    assert ran >= 190
