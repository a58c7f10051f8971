"""RFC 9180 and draft-ietf-hpke-pq through keys.grant.

The published ciphertexts carry an AAD, which a grant does not have, and only two of the published suites are profiles
of ours. So the key schedule is computed a second time here and held against every published (key, base_nonce); with it
each published encapsulation becomes a grant of our profile, which `unseal` has to open with the published private key.
"""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keys import grant
from keys.errors import GrantError
from keys.grant import Profile
from tests.vectors.independent import hpke_schedule
from tests.vectors.sources import packaged

AES_256_GCM = 2
HASHES = {1: "sha256", 2: "sha384", 3: "sha512"}  # HKDF by KDF id; the draft's one-stage SHAKE KDFs are not ours
KEMS = {0x20: Profile.X25519, 0x11: Profile.P_384, 0x647A: Profile.X_WING, 0x51: Profile.MLKEM1024_P384}
KDFS = {Profile.X25519: 1, Profile.P_384: 2, Profile.X_WING: 1, Profile.MLKEM1024_P384: 2}
PUBLIC_SIZES = {Profile.X25519: 32, Profile.P_384: 97, Profile.X_WING: 1216, Profile.MLKEM1024_P384: 1665}

Vector = dict[str, Any]


def base_mode() -> list[Vector]:
    both = packaged("HPKE/test-vectors.json") + packaged("HPKE/hpke-pq-test-vectors.json")
    return [vector for vector in both if vector["mode"] == 0]


def of_our_kems() -> list[Vector]:
    return [vector for vector in base_mode() if vector["kem_id"] in KEMS]


def from_hex(vector: Vector, name: str) -> bytes:
    return bytes.fromhex(vector[name])


def name_of(vector: Vector) -> str:
    return f"{vector['kem_id']:#x}-{vector['kdf_id']}-{vector['aead_id']}"


def as_grant(vector: Vector, info: bytes, plaintext: bytes) -> tuple[Profile, bytes]:
    """What HPKE of our profile makes of the vector's encapsulation: enc || AES-256-GCM ciphertext, no AAD."""
    profile = KEMS[vector["kem_id"]]
    kdf = KDFS[profile]
    suite = (vector["kem_id"], kdf, AES_256_GCM)
    key, nonce = hpke_schedule(HASHES[kdf], suite, from_hex(vector, "shared_secret"), info)
    return profile, from_hex(vector, "enc") + AESGCM(key).encrypt(nonce, plaintext, None)


def test_the_schedule_written_here_is_that_of_the_standard():
    checked = 0
    for vector in base_mode():
        if vector["kdf_id"] in HASHES:
            suite = (vector["kem_id"], vector["kdf_id"], vector["aead_id"])
            if suite[2] == 0xFFFF:  # export only: no key
                continue
            schedule = hpke_schedule(HASHES[suite[1]], suite, from_hex(vector, "shared_secret"), from_hex(vector, "info"))
            assert schedule == (from_hex(vector, "key"), from_hex(vector, "base_nonce")), name_of(vector)
            checked += 1
    assert checked >= 25


def test_every_profile_has_a_vector():
    assert {KEMS[vector["kem_id"]] for vector in of_our_kems()} == set(Profile)


@pytest.mark.parametrize("vector", of_our_kems(), ids=name_of)
def test_a_private_seed_gives_the_published_public_key(vector: Vector):
    profile, public = KEMS[vector["kem_id"]], from_hex(vector, "pkRm")
    assert grant.public_bytes(profile, from_hex(vector, "skRm")) == public
    assert len(public) == PUBLIC_SIZES[profile]
    grant.check_public(profile, public)
    with pytest.raises(GrantError, match="not a public key"):
        grant.check_public(profile, public[:-1])


@pytest.mark.parametrize("vector", of_our_kems(), ids=name_of)
def test_a_published_encapsulation_opens_as_a_grant(vector: Vector):
    info, seed = from_hex(vector, "info"), from_hex(vector, "skRm")
    profile, sealed = as_grant(vector, info, b"the keys of an epoch")
    assert grant.unseal(profile, seed, info, sealed) == b"the keys of an epoch"
    for wrong_info, wrong_sealed in ((info + b"\0", sealed), (b"", sealed), (info, sealed[:-1]), (info, b"")):
        with pytest.raises(GrantError, match="does not open"):
            grant.unseal(profile, seed, wrong_info, wrong_sealed)


@pytest.mark.parametrize("vector", of_our_kems(), ids=name_of)
def test_what_seal_makes_opens_with_the_published_key(vector: Vector):
    profile, info = KEMS[vector["kem_id"]], from_hex(vector, "info")
    sealed = grant.seal(profile, from_hex(vector, "pkRm"), info, b"fresh")
    assert grant.unseal(profile, from_hex(vector, "skRm"), info, sealed) == b"fresh"
    assert sealed != grant.seal(profile, from_hex(vector, "pkRm"), info, b"fresh")
