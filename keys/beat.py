"""Beat: the signed message by which an aircraft says what is current. SPEC.md section 5.4.

Only a beat opens lanes, bounds their counters and lists the announcement fragments to keep; its nonce is
what an uplink echoes. Pure: no file, clock or randomness.
"""

from __future__ import annotations

import dataclasses

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from keys import cose, fields
from keys.errors import BadSignature
from keys.lanes import SESSION_ID_SIZE

TYP = "zegel-beat"
NONCE_SIZE = 8
CHALLENGE_SIZE = 8
FRAGMENT_HASH_SIZE = 16
FRAGMENTS_MAX = 16  # per message, SPEC.md section 4.1
STATE_MAX = 96  # bytes of field 12 as encoded
SESSION_MS_MAX = (1 << 32) - 1  # 49 days; field 11 stops at this value


def is_state(value: object) -> bool:
    """A map of unsigned integers, at most `STATE_MAX` bytes of CBOR; empty if nothing is known."""
    return fields.mapping(fields.U64, fields.U64)(value) and len(cose.dumps(value)) <= STATE_MAX


_FIELDS = {
    1: fields.byte_string(SESSION_ID_SIZE),
    2: fields.U32,
    3: fields.byte_string(NONCE_SIZE),
    4: fields.U32,
    5: fields.mapping(fields.DOWNLINK_KID, fields.U32),
    6: fields.U64,
    7: fields.mapping(fields.STATION, fields.byte_string(CHALLENGE_SIZE)),
    8: fields.mapping(fields.STATION, fields.listing(fields.byte_string(FRAGMENT_HASH_SIZE), FRAGMENTS_MAX)),
    9: fields.U32,
    10: fields.U8,
    11: fields.U32,
    12: is_state,
}
_BEGIN = bytes([0xA0 + len(_FIELDS), 1, cose.BYTES + SESSION_ID_SIZE])  # the map's head, and field 1 up to its content
_SEQ_AT = len(_BEGIN) + SESSION_ID_SIZE + 1


@dataclasses.dataclass(frozen=True, slots=True)
class Beat:
    """The payload of a beat, in the order of its CBOR keys."""

    session_id: bytes
    seq: int
    nonce: bytes
    epoch: int
    next_ctr: dict[int, int]  # downlink KID -> the CTR its next datagram will carry
    unix_time: int
    challenges: dict[int, bytes]  # station -> its newest challenge of the last 10 s
    fragments: dict[int, list[bytes]]  # station -> SHA-256(control datagram)[0:16] of each fragment now repeated
    ms_to_next: int  # until epoch + 1, or 0
    flags: int
    session_ms: int  # since the session began, by a clock aboard that is never set back
    state: dict[int, int]  # the aircraft's report about itself: gateway/core/aircraft_state.py

    def sign(self, session_key: Ed25519PrivateKey) -> bytes:
        values = (getattr(self, name) for name in self.__slots__)
        payload = cose.dumps(dict(zip(_FIELDS, values, strict=True)))
        return cose.sign1(payload, TYP, session_key, {cose.HEADER_KID: self.session_id[:8]})

    def lists(self, fragment_hash: bytes) -> bool:
        return any(fragment_hash in hashes for hashes in self.fragments.values())


def claimed_session(message: bytes) -> bytes | None:
    """The first 8 bytes of the session_id that the message claims, without parsing it."""
    return cose.claimed_kid(message, TYP, cose.Alg.ED25519, 8)


def claimed_seq(message: bytes) -> int | None:
    """The seq that the message claims, read at its fixed position without parsing; None if no beat has it there."""
    payload = cose.claimed_payload1(message, TYP, cose.Alg.ED25519, 8)
    if payload is None or not payload.startswith(_BEGIN):
        return None
    return cose.leading_uint(payload[_SEQ_AT:])


def verify(message: cose.Sign1, session_public: Ed25519PublicKey) -> Beat:
    """BadSignature, WrongType or MalformedMessage; the payload is parsed only after its signature verified."""
    payload = message.verify(TYP, session_public)
    beat = Beat(*fields.read(payload, "the beat", _FIELDS))
    message.require_unprotected({cose.HEADER_KID: beat.session_id[:8]})
    return beat


def of_session(message: bytes, session_public: Ed25519PublicKey, session_id: bytes) -> Beat:
    """The beat in a whole message. As `verify`, and BadSignature if it is another session's."""
    beat = verify(cose.parse_sign1(message), session_public)
    if beat.session_id != session_id:
        raise BadSignature("the beat is of another session")
    return beat
