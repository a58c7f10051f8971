"""A second reader of Zegel/1, written from SPEC.md: it opens what is on the air, with nothing of gateway or keys.

The ciphers and curves are the library's; the hashes, the CBOR and all that SPEC.md and the drafts put together is written
here or in independent.py. It refuses by ValueError or by the library's own errors, and keeps no state.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, utils, x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESGCMSIV

from tests.vectors.independent import cbor, hkdf_expand, hkdf_extract, hpke_schedule, uncbor

SUITE = 5

# --- control datagrams: 2 and 4.1 ---


def operation(op_id: bytes) -> tuple[bytes, bytes]:
    """(control_key, op_tag)."""
    prk = hkdf_extract("sha512", b"", op_id)
    return hkdf_expand("sha512", prk, b"Zegel 1.0 Control key", 32), hkdf_expand(
        "sha512", prk, b"Zegel 1.0 Operation tag", 16
    )


def open_control(control_key: bytes, datagram: bytes) -> bytes:
    assert datagram[0] == 1
    return b"\x01" + AESGCMSIV(control_key).decrypt(bytes(12), datagram[1:], b"\x01")


def messages(opened: Iterable[bytes]) -> list[tuple[int, bytes]]:
    """(kind, message) of each that came whole, in the order of their last fragments."""
    parts: dict[bytes, dict[int, bytes]] = {}
    out = []
    for datagram in opened:
        kind, index, count, identity, part = datagram[1], datagram[2], datagram[3], datagram[4:12], datagram[12:]
        mine = parts.setdefault(identity, {})
        mine[index] = part
        if len(mine) == count:
            message = b"".join(mine[place] for place in range(count))
            assert hashlib.sha256(message).digest()[:8] == identity
            out.append((kind, message))
    return out


# --- signed messages: 3 and 5 ---


def sign1(message: bytes, typ: str, public: bytes) -> tuple[dict[int, Any], bytes, dict[int, Any]]:
    """(payload, as bytes, unprotected header) of a COSE_Sign1 by an Ed25519 key (32 bytes) or a P-256 one (65)."""
    assert message[:1] == b"\xd2"
    protected, unprotected, payload, signature = _list(message[1:])
    assert protected == cbor({1: -19 if len(public) == 32 else -9, 16: typ})
    signed = cbor(["Signature1", protected, b"", payload])
    if len(public) == 32:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, signed)
    else:
        _ecdsa(ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public), hashes.SHA256(), signature, signed)
    return uncbor(payload), payload, unprotected  # type: ignore[return-value]


def order(data: bytes) -> tuple[bytes, dict[int, Any], list[tuple[int, bytes, bytes, bytes]]]:
    """(order_hash, payload, [(alg, certificate, signature, what it signs)])."""
    assert data[:2] == b"\xd8\x62"
    protected, unprotected, payload, signatures = _list(data[2:])
    assert protected == cbor({16: "zegel-order"})
    assert unprotected == {}
    found = []
    for head, unsigned, signature in signatures:
        (alg,) = uncbor(head).values()  # type: ignore[union-attr, attr-defined]
        assert list(unsigned) == [33]
        found.append((alg, unsigned[33], signature, cbor(["Signature", protected, head, b"", payload])))
    order_hash = hashlib.sha256(cbor(protected) + cbor(payload)).digest()
    return order_hash, uncbor(payload), found  # type: ignore[return-value]


def verify_order(alg: int, public: Any, signature: bytes, signed: bytes) -> None:
    """One signature of an order; InvalidSignature."""
    if alg == -51:
        _ecdsa(public, hashes.SHA384(), signature, signed)
    else:
        assert alg == -49
        public.verify(signature, signed)


def _list(data: bytes) -> list[Any]:
    items = uncbor(data)
    assert isinstance(items, list)
    return items


def _ecdsa(public: Any, algorithm: hashes.HashAlgorithm, signature: bytes, signed: bytes) -> None:
    half = len(signature) // 2
    r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
    public.verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(algorithm))


# --- grants: 3 and 5.3 ---


def open_grant(profile: int, seed: bytes, info: bytes, sealed: bytes) -> dict[int, bytes]:
    """KID -> base_key, and 16 -> uplink_key."""
    granted = uncbor(unseal(profile, seed, info, sealed))
    assert isinstance(granted, dict)
    return granted


def unseal(profile: int, seed: bytes, info: bytes, sealed: bytes) -> bytes:
    """What was sealed by HPKE to the public half of this seed."""
    size = {1: 1120, 2: 32, 3: 97, 4: 1665}[profile]
    enc, ciphertext = sealed[:size], sealed[size:]
    secret, suite, name = {1: _x_wing, 2: _x25519, 3: _p384, 4: _mlkem1024_p384}[profile](seed, enc)
    key, nonce = hpke_schedule(name, (*suite, 2), secret, info)
    return AESGCM(key).decrypt(nonce, ciphertext, None)


Shared = tuple[bytes, tuple[int, int], str]  # the secret; KEM and KDF; the KDF's hash


def _x_wing(seed: bytes, enc: bytes) -> Shared:
    expanded = hashlib.shake_256(seed).digest(96)
    kem = mlkem.MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
    curve = x25519.X25519PrivateKey.from_private_bytes(expanded[64:])
    theirs = enc[1088:]
    agreed = curve.exchange(x25519.X25519PublicKey.from_public_bytes(theirs))
    combined = kem.decapsulate(enc[:1088]) + agreed + theirs + curve.public_key().public_bytes_raw() + b"\\.//^\\"
    return hashlib.sha3_256(combined).digest(), (0x647A, 1), "sha256"


def _mlkem1024_p384(seed: bytes, enc: bytes) -> Shared:
    expanded = hashlib.shake_256(seed).digest(64 + 48)
    kem = mlkem.MLKEM1024PrivateKey.from_seed_bytes(expanded[:64])
    curve = _scalar(expanded[64:])
    combined = kem.decapsulate(enc[:1568]) + _agreed(curve, enc[1568:]) + enc[1568:] + _point(curve) + b"MLKEM1024-P384"
    return hashlib.sha3_256(combined).digest(), (0x51, 2), "sha384"


def _x25519(seed: bytes, enc: bytes) -> Shared:
    private = x25519.X25519PrivateKey.from_private_bytes(seed)
    agreed = private.exchange(x25519.X25519PublicKey.from_public_bytes(enc))
    return _dhkem("sha256", 0x20, agreed, enc + private.public_key().public_bytes_raw()), (0x20, 1), "sha256"


def _p384(seed: bytes, enc: bytes) -> Shared:
    private = _scalar(seed)
    return _dhkem("sha384", 0x11, _agreed(private, enc), enc + _point(private)), (0x11, 2), "sha384"


def _dhkem(name: str, kem: int, agreed: bytes, context: bytes) -> bytes:
    """ExtractAndExpand of RFC 9180 section 4.1."""
    suite_id, size = b"HPKE-v1KEM" + kem.to_bytes(2, "big"), hashlib.new(name).digest_size
    prk = hkdf_extract(name, b"", suite_id + b"eae_prk" + agreed)
    return hkdf_expand(name, prk, size.to_bytes(2, "big") + suite_id + b"shared_secret" + context, size)


def _scalar(encoded: bytes) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(encoded, "big"), ec.SECP384R1())


def _agreed(private: ec.EllipticCurvePrivateKey, point: bytes) -> bytes:
    return private.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), point))


def _point(private: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PublicFormat.UncompressedPoint
    return private.public_key().public_bytes(serialization.Encoding.X962, form)


def instance_after(uplink_key: bytes, former: bytes) -> bytes:
    return hkdf_expand("sha512", hkdf_extract("sha512", b"", uplink_key), b"Zegel 1.0 Instance " + former, 5)


def ratchet(rk: bytes) -> tuple[bytes, bytes]:
    """(segment_key_i, rk_{i+1}): section 8."""
    derived = hkdf_expand("sha512", rk, b"Zegel 1.0 Record ratchet", 64)
    return derived[:32], derived[32:]


def commitment(base_key: bytes, kid: int) -> bytes:
    return _labelled(base_key, b"Zegel 1.0 Key commitment ", kid, 32)


# --- sealed datagrams: 2, 4.2 and 4.3 ---


def open_sealed(keys: Mapping[int, bytes], session_id: bytes, datagram: bytes) -> tuple[int, int, bytes]:
    """(KID, CTR, plaintext). `keys` has the base_key by KID; of an uplink KID by its station, under 0 to 15."""
    config, kid_size = datagram[0], (datagram[0] >> 4 & 7) + 1
    kid = int.from_bytes(datagram[1 : 1 + kid_size], "big")
    width = (config & 7) + 1 if config & 8 else 0
    size = 1 + kid_size + width
    ctr = int.from_bytes(datagram[1 + kid_size : size], "big") if width else config & 7
    base_key = keys[kid if kid_size == 2 else kid >> 56 & 15]
    salt = _labelled(base_key, b"SFrame 1.0 Secret salt ", kid, 12)
    nonce = (int.from_bytes(salt, "big") ^ ctr).to_bytes(12, "big")
    key = _labelled(base_key, b"SFrame 1.0 Secret key ", kid, 32)
    return kid, ctr, AESGCM(key).decrypt(nonce, datagram[size:], datagram[:size] + session_id)


def _labelled(base_key: bytes, label: bytes, kid: int, size: int) -> bytes:
    prk = hkdf_extract("sha512", b"", base_key)
    return hkdf_expand("sha512", prk, label + kid.to_bytes(8, "big") + SUITE.to_bytes(2, "big"), size)
