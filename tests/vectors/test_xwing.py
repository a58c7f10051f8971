"""X-Wing (draft-connolly-cfrg-xwing-kem) through keys.grant: seed expansion, public key, shared secret."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keys import grant
from keys.errors import GrantError
from keys.grant import Profile
from tests.vectors.independent import hpke_schedule
from tests.vectors.sources import shared

X_WING_SUITE = (0x647A, 1, 2)  # MLKEM768-X25519, HKDF-SHA256, AES-256-GCM: profile 1
INFO = b"what the grant is for"

# The first vector of the draft: SHA-256 of its 1216-byte public key says as much as the key.
SEED = bytes.fromhex("7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26")
PUBLIC_BEGINS = bytes.fromhex("e2236b35a8c24b39b10aa1323a96a919a2ced88400633a7b07131713fc14b2b5")
PUBLIC_SHA256 = "2e816deebcd76c5c80d0cd2d174478871658e8e2ff42bc9d4a6e486372e856bb"


def test_the_first_seed_of_the_draft():
    public = grant.public_bytes(Profile.X_WING, SEED)
    assert public.startswith(PUBLIC_BEGINS)
    assert hashlib.sha256(public).hexdigest() == PUBLIC_SHA256


@pytest.mark.shared
def test_all_vectors_of_the_draft():
    vectors = shared("xwing/test-vectors.json")
    assert len(vectors) == 3
    for vector in vectors:
        seed, public, enc, secret = (bytes.fromhex(vector[name]) for name in ("seed", "pk", "ct", "ss"))
        assert grant.public_bytes(Profile.X_WING, seed) == public
        key, nonce = hpke_schedule("sha256", X_WING_SUITE, secret, INFO)
        sealed = enc + AESGCM(key).encrypt(nonce, b"base keys", None)
        assert grant.unseal(Profile.X_WING, seed, INFO, sealed) == b"base keys"
        damaged = bytes([enc[0] ^ 1]) + sealed[1:]  # ML-KEM rejects implicitly: another secret, not an error
        with pytest.raises(GrantError, match="does not open"):
            grant.unseal(Profile.X_WING, seed, INFO, damaged)
