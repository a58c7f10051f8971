"""Grants: HPKE (RFC 9180, base mode) for the closed list of profiles, and the commitment to a key. SPEC.md section 5.3.

HPKE is cryptography's; the key formats are those of the drafts that it implements (X-Wing: draft-connolly-cfrg-xwing-kem,
MLKEM1024-P384: draft-ietf-hpke-pq). A private key is stored as its seed.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Callable
from typing import Any

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, hpke, serialization
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from keys import cose
from keys.errors import GrantError

COMMITMENT_SIZE = 32
_COMMITMENT_LABEL = b"Zegel 1.0 Key commitment "
_INFO_LABEL = "zegel/1 grant"
SEED_SIZE = 32
P384_SCALAR_SIZE = 48
P384_POINT_SIZE = 97  # uncompressed: a compressed form would give a key two encodings
MLKEM768_PUBLIC_SIZE = 1184
MLKEM1024_PUBLIC_SIZE = 1568


class Profile(enum.IntEnum):
    """How a station's grants are sealed (SPEC.md section 3)."""

    X_WING = 1
    X25519 = 2
    P_384 = 3
    MLKEM1024_P384 = 4

    @property
    def label(self) -> str:
        return self.name.lower().replace("_", "-")

    @property
    def post_quantum(self) -> bool:
        """Whether a recording of the link stays closed to a quantum computer."""
        return self in (Profile.X_WING, Profile.MLKEM1024_P384)

    @classmethod
    def from_name(cls, name: str) -> Profile:
        for profile in cls:
            if profile.label == name:
                return profile
        raise GrantError(f"there is no profile {name!r}", hint=f"one of {', '.join(p.label for p in cls)}")


_SUITES = {
    Profile.X_WING: Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
    Profile.X25519: Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
    Profile.P_384: Suite(KEM.P384, KDF.HKDF_SHA384, AEAD.AES_256_GCM),
    Profile.MLKEM1024_P384: Suite(KEM.MLKEM1024_P384, KDF.HKDF_SHA384, AEAD.AES_256_GCM),
}

_PUBLIC_SIZES = {
    Profile.X_WING: MLKEM768_PUBLIC_SIZE + 32,
    Profile.X25519: 32,
    Profile.P_384: P384_POINT_SIZE,
    Profile.MLKEM1024_P384: MLKEM1024_PUBLIC_SIZE + P384_POINT_SIZE,
}

# --- keys ---


def generate(profile: Profile, entropy: Callable[[int], bytes]) -> bytes:
    """A new private seed, the unchanged bytes of `entropy` (os.urandom); for P-384 the first that are a valid scalar.

    A key generator is not used: that of X25519 fixes five bits, and a seed is hashed or clamped when it is used.
    """
    if profile is not Profile.P_384:
        return entropy(SEED_SIZE)
    while True:  # FIPS 186-5 appendix A.2.2; about once
        seed = entropy(P384_SCALAR_SIZE)
        with contextlib.suppress(GrantError):
            _private(profile, seed)
            return seed


def public_bytes(profile: Profile, seed: bytes) -> bytes:
    """The public half: X-Wing ek || X25519 (1216 bytes), X25519 (32), P-384 uncompressed point (97), or the hybrid's."""
    private = _private(profile, seed)
    if profile is Profile.X_WING:
        parts = _xwing_parts(seed)
        return parts[0].public_key().public_bytes_raw() + parts[1].public_key().public_bytes_raw()
    if profile is Profile.MLKEM1024_P384:
        kem, curve = _mlkem1024_p384_parts(seed)
        return kem.public_key().public_bytes_raw() + _point(curve.public_key())
    return _point(private.public_key()) if profile is Profile.P_384 else private.public_key().public_bytes_raw()


def check_public(profile: Profile, raw: bytes) -> None:
    """GrantError unless something can be sealed to `raw`: a point of small order loads, but yields no shared secret."""
    seal(profile, raw, b"", b"")


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def _shake256(seed: bytes, size: int) -> bytes:
    digest = hashes.Hash(hashes.SHAKE256(size))
    digest.update(seed)
    return digest.finalize()


def _xwing_parts(seed: bytes) -> tuple[mlkem.MLKEM768PrivateKey, x25519.X25519PrivateKey]:
    """SHAKE256(seed, 96) -> ML-KEM seed 64 || X25519 32 (draft-connolly-cfrg-xwing-kem section 5.2)."""
    expanded = _shake256(seed, 96)
    return (
        mlkem.MLKEM768PrivateKey.from_seed_bytes(expanded[:64]),
        x25519.X25519PrivateKey.from_private_bytes(expanded[64:]),
    )


def _mlkem1024_p384_parts(seed: bytes) -> tuple[mlkem.MLKEM1024PrivateKey, ec.EllipticCurvePrivateKey]:
    """SHAKE256(seed) -> ML-KEM seed 64 || P-384 scalars of 48 bytes, the first one in range (draft-ietf-hpke-pq)."""
    expanded = _shake256(seed, 64 + 4 * P384_SCALAR_SIZE)
    for at in range(64, len(expanded), P384_SCALAR_SIZE):
        try:
            curve = ec.derive_private_key(int.from_bytes(expanded[at : at + P384_SCALAR_SIZE], "big"), ec.SECP384R1())
        except ValueError:
            continue
        return mlkem.MLKEM1024PrivateKey.from_seed_bytes(expanded[:64]), curve
    raise GrantError("the seed gives no P-384 key")


def _private(profile: Profile, seed: bytes) -> Any:
    try:
        if profile is Profile.P_384:
            if len(seed) != P384_SCALAR_SIZE:
                raise ValueError("wrong length")
            return ec.derive_private_key(int.from_bytes(seed, "big"), ec.SECP384R1())
        if len(seed) != SEED_SIZE:
            raise ValueError("wrong length")
        if profile is Profile.X25519:
            return x25519.X25519PrivateKey.from_private_bytes(seed)
        if profile is Profile.X_WING:
            return hpke.MLKEM768X25519PrivateKey(*_xwing_parts(seed))
        return hpke.MLKEM1024P384PrivateKey(*_mlkem1024_p384_parts(seed))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise GrantError(f"not a private seed of profile {profile.label}: {error}") from None


def _public(profile: Profile, raw: bytes) -> Any:
    try:
        if len(raw) != _PUBLIC_SIZES[profile]:
            raise ValueError("wrong length")
        if profile is Profile.X25519:
            return x25519.X25519PublicKey.from_public_bytes(raw)
        if profile is Profile.P_384:
            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), raw)
        if profile is Profile.X_WING:
            kem = mlkem.MLKEM768PublicKey.from_public_bytes(raw[:MLKEM768_PUBLIC_SIZE])
            return hpke.MLKEM768X25519PublicKey(kem, x25519.X25519PublicKey.from_public_bytes(raw[MLKEM768_PUBLIC_SIZE:]))
        large = mlkem.MLKEM1024PublicKey.from_public_bytes(raw[:MLKEM1024_PUBLIC_SIZE])
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), raw[MLKEM1024_PUBLIC_SIZE:])
        return hpke.MLKEM1024P384PublicKey(large, point)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise GrantError(f"not a public key of profile {profile.label}: {error}") from None


# --- sealing ---


def seal(profile: Profile, public: bytes, info: bytes, plaintext: bytes | bytearray) -> bytes:
    """enc || ciphertext (RFC 9180 section 6.1); `info` names everything that the grant is bound to."""
    key = _public(profile, public)
    try:
        return _SUITES[profile].encrypt(plaintext, key, info)
    except ValueError as error:  # RFC 9180 section 7.1.4
        raise GrantError(f"not a public key of profile {profile.label}: {error}") from None


def unseal(profile: Profile, seed: bytes, info: bytes, sealed: bytes) -> bytes:
    """The plaintext; GrantError if it was sealed to another key, for another purpose, or changed."""
    try:
        return _SUITES[profile].decrypt(sealed, _private(profile, seed), info)
    except (InvalidTag, ValueError, TypeError):
        raise GrantError("a grant does not open with this station's key") from None


def grant_info(order_hash: bytes, session_id: bytes, epoch: int, station: int, suite: int = 5) -> bytes:
    """Everything that a grant is bound to (RFC 9180 section 8.1)."""
    return cose.dumps([_INFO_LABEL, order_hash, session_id, epoch, station, suite])


def commitment(base_key: bytes, kid: int, suite: int = 5) -> bytes:
    """32 bytes that commit to one base_key: HKDF-SHA512 (RFC 5869), with a label other than those of SFrame."""
    prk = HKDF.extract(hashes.SHA512(), b"", base_key)
    info = _COMMITMENT_LABEL + kid.to_bytes(8, "big") + suite.to_bytes(2, "big")
    return HKDFExpand(hashes.SHA512(), COMMITMENT_SIZE, info).derive(prk)
