"""Session Statement: "this device began this session under this order". SPEC.md section 5.1.

Signed by the device key, it certifies a session key that is only in RAM. The session's id is the hash of
the statement, so no one can open a session under the id of another. Pure: no file, clock or randomness.
"""

from __future__ import annotations

import dataclasses
import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from keys import cose, fields
from keys.lanes import SESSION_ID_SIZE

TYP = "zegel-ss"
_FIELDS = {2: fields.byte_string(32), 3: fields.U8, 4: fields.byte_string(32), 5: fields.U64, 6: fields.U64}


@dataclasses.dataclass(frozen=True, slots=True)
class Statement:
    """The payload of a Session Statement, in the order of its CBOR keys."""

    order_hash: bytes  # 32 bytes
    device_index: int  # position in the order's list of devices
    session_public: bytes  # Ed25519, 32 bytes
    boot_counter: int
    unix_time: int  # the time of the board's clock, 0 if it is not plausible

    def payload(self) -> bytes:
        values = (self.order_hash, self.device_index, self.session_public, self.boot_counter, self.unix_time)
        return cose.dumps(dict(zip(_FIELDS, values, strict=True)))

    def session_id(self) -> bytes:
        return hashlib.sha256(self.payload()).digest()[:SESSION_ID_SIZE]

    def session_key(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(self.session_public)

    def sign(self, device_key: cose.PrivateKey) -> bytes:
        """COSE_Sign1 (RFC 9052 section 4.2) by the device key, which its kid names."""
        return cose.sign1(self.payload(), TYP, device_key, {cose.HEADER_KID: bytes([self.device_index])})


def claimed_device(message: bytes) -> int | None:
    """The index of the device that the message claims as its signer, without parsing it."""
    kids = (cose.claimed_kid(message, TYP, alg, 1) for alg in (cose.Alg.ED25519, cose.Alg.ESP256))
    return next((kid[0] for kid in kids if kid), None)


def verify(message: cose.Sign1, device_public: cose.PublicKey) -> Statement:
    """BadSignature, WrongType or MalformedMessage; the payload is parsed only after its signature verified."""
    stated = claimed(message.verify(TYP, device_public))
    message.require_unprotected({cose.HEADER_KID: bytes([stated.device_index])})
    return stated


def claimed(payload: bytes) -> Statement:
    """What a payload says, without its signature; MalformedMessage."""
    return Statement(*fields.read(payload, "the statement", _FIELDS))
