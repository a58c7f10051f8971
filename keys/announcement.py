"""Key Announcement: one epoch's traffic keys, sealed to one station, signed by the session. SPEC.md section 5.2.

It is byte-identical for the whole epoch, so fragments of different rounds combine. The commitments are signed in
the clear: AES-GCM does not commit to its key, and two stations that are given different keys for one KID hold a
signed proof of it. Pure: no file, clock or randomness but HPKE's own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from keys import cose, fields, grant
from keys.errors import GrantError, MalformedMessage
from keys.lanes import SESSION_ID_SIZE, UPLINK_KEY

TYP = "zegel-ka"
SUITE = 5  # AES_256_GCM_SHA512_128, RFC 9605 section 4.5; the only suite
KEY_SIZE = 32

_FIELDS = {
    1: fields.byte_string(SESSION_ID_SIZE),
    2: fields.byte_string(32),
    3: fields.U32,
    4: fields.STATION,
    5: lambda suite: suite == SUITE,
    6: fields.mapping(fields.DOWNLINK_KID, fields.byte_string(32)),
    7: lambda sealed: type(sealed) is bytes,
}
_GRANT_KEY = fields.mapping(fields.DOWNLINK_KID, fields.byte_string(KEY_SIZE))


@dataclasses.dataclass(frozen=True, slots=True)
class Announcement:
    """The payload of a Key Announcement, in the order of its CBOR keys. `sealed` is the grant (keys.grant)."""

    session_id: bytes
    order_hash: bytes
    epoch: int
    station: int
    suite: int
    commitments: dict[int, bytes]  # downlink KID -> commitment, 32 bytes
    sealed: bytes

    def info(self) -> bytes:
        return grant.grant_info(self.order_hash, self.session_id, self.epoch, self.station, self.suite)

    def sign(self, session_key: Ed25519PrivateKey) -> bytes:
        values = (getattr(self, field.name) for field in dataclasses.fields(self))
        payload = cose.dumps(dict(zip(_FIELDS, values, strict=True)))
        return cose.sign1(payload, TYP, session_key, {cose.HEADER_KID: self.session_id[:8]})

    def open(self, profile: grant.Profile, seed: bytes) -> Grant:
        """Unseal with the station's private seed; GrantError unless every key matches its signed commitment."""
        plain = grant.unseal(profile, seed, self.info(), self.sealed)
        keys = cose.loads(plain)
        if not _GRANT_KEY(keys):
            raise MalformedMessage("the grant is not a map of 32-byte keys")
        assert isinstance(keys, dict)
        uplink = keys.pop(UPLINK_KEY, None)
        if uplink is None or keys.keys() != self.commitments.keys():
            raise GrantError("the grant does not hold the keys that its announcement commits to")
        if any(grant.commitment(key, kid) != self.commitments[kid] for kid, key in keys.items()):
            raise GrantError("a granted key does not match its signed commitment")
        return Grant(keys, uplink)


@dataclasses.dataclass(frozen=True, slots=True)
class Grant:
    """What one station is given for one epoch. Secret: it never appears in a repr."""

    base_keys: dict[int, bytes] = dataclasses.field(repr=False)  # downlink KID -> base_key, 32 bytes
    uplink_key: bytes = dataclasses.field(repr=False)


def seal(
    header: Announcement, profile: grant.Profile, public: bytes, base_keys: Mapping[int, bytes], uplink_key: bytes
) -> Announcement:
    """`header` (its `commitments` and `sealed` empty) completed for the station that holds `public`."""
    plain = cose.dumps({**base_keys, UPLINK_KEY: uplink_key})
    commitments = {kid: grant.commitment(key, kid) for kid, key in base_keys.items()}
    sealed = grant.seal(profile, public, header.info(), plain)
    return dataclasses.replace(header, commitments=commitments, sealed=sealed)


def verify(message: cose.Sign1, session_public: Ed25519PublicKey) -> Announcement:
    """BadSignature, WrongType or MalformedMessage; the payload is parsed only after its signature verified."""
    payload = message.verify(TYP, session_public)
    announced = Announcement(*fields.read(payload, "the announcement", _FIELDS))
    message.require_unprotected({cose.HEADER_KID: announced.session_id[:8]})
    return announced
