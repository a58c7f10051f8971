"""Recording header: what a recording is of, and its first key, sealed to each recording key. SPEC.md section 8.

The recorder draws rk_0 and makes the header; the process that has the session key signs it and never has rk_0.
Pure: no file, clock or randomness but HPKE's own.
"""

from __future__ import annotations

import dataclasses

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from keys import cose, fields, grant
from keys.errors import GrantError, MalformedMessage
from keys.grant import Profile
from keys.lanes import SESSION_ID_SIZE
from keys.order import ORDER_HASH_SIZE, RECORDING_MAX, Order
from keys.ratchet import KEY_SIZE

TYP = "zegel-rec"
CONTENT_TYPE = "application/vnd.tcpdump.pcap"
SCHEME = "c2sp.org/chunked-encryption@v1 AEAD_AES_256_GCM SHA-512"
REC_ID_SIZE = 16
GROUPS = 5
_INFO_LABEL = "zegel/1 recording"


def _is_entry(value: object) -> bool:
    """[recording key id, sealed rk_0]; the size of the second is known to HPKE."""
    return type(value) is list and len(value) == 2 and fields.U32(value[0]) and fields.some_bytes(value[1])  # noqa: PLR2004


_FIELDS = {
    1: fields.byte_string(REC_ID_SIZE),
    2: fields.byte_string(ORDER_HASH_SIZE),
    3: fields.byte_string(SESSION_ID_SIZE),
    4: lambda content_type: content_type == CONTENT_TYPE,
    5: lambda scheme: scheme == SCHEME,
    6: fields.listing(_is_entry, RECORDING_MAX, 1),
    7: fields.between(1, GROUPS),
    8: fields.U64,
}


@dataclasses.dataclass(frozen=True, slots=True)
class RecordingHeader:
    """The payload of a header, in the order of its CBOR keys without the two that are constants."""

    rec_id: bytes  # 16 bytes, random
    order_hash: bytes
    session_id: bytes
    keys: tuple[tuple[int, bytes], ...]  # id of a recording key of the order, rk_0 sealed to it
    group: int
    mono_us: int  # of its beginning, since the session began

    def payload(self) -> bytes:
        entries = [list(entry) for entry in self.keys]
        values = (self.rec_id, self.order_hash, self.session_id, CONTENT_TYPE, SCHEME, entries, self.group, self.mono_us)
        return cose.dumps(dict(zip(_FIELDS, values, strict=True)))

    def open(self, key_id: int, profile: Profile, seed: bytes) -> bytes:
        """rk_0, by the private seed of the recording key that the order lists as `key_id`; GrantError."""
        sealed = dict(self.keys).get(key_id)
        if sealed is None:
            raise GrantError(f"the recording is not sealed to recording key {key_id}")
        try:
            rk_0 = grant.unseal(profile, seed, self._info(key_id), sealed)
        except GrantError:
            raise GrantError("the recording does not open with this recording key") from None
        if len(rk_0) != KEY_SIZE:
            raise GrantError(f"the first key of the recording has {len(rk_0)} bytes, not {KEY_SIZE}")
        return rk_0

    def _info(self, key_id: int) -> bytes:
        """Everything that a sealed rk_0 is bound to (RFC 9180 section 8.1)."""
        return cose.dumps([_INFO_LABEL, self.order_hash, self.session_id, self.rec_id, key_id])


def seal(
    order: Order, order_hash: bytes, session_id: bytes, rec_id: bytes, rk_0: bytes | bytearray, group: int, mono_us: int
) -> RecordingHeader:
    """The header of a recording whose first key is `rk_0`, which is sealed to each recording key of the order."""
    header = RecordingHeader(rec_id, order_hash, session_id, (), group, mono_us)
    sealed = ((key.id, grant.seal(key.profile, key.pub, header._info(key.id), rk_0)) for key in order.recording)
    return dataclasses.replace(header, keys=tuple(sealed))


def sign(payload: bytes, session_key: Ed25519PrivateKey, session_id: bytes, order_hash: bytes) -> bytes:
    """The signed header (COSE_Sign1), if `payload` is one of this session and order; MalformedMessage for anything else.

    The payload comes from another process, which must not get a signature of the session key under anything else.
    """
    header = _read(payload)
    if (header.session_id, header.order_hash) != (session_id, order_hash):
        raise MalformedMessage("the recording header is of another session or order")
    return cose.sign1(payload, TYP, session_key, {cose.HEADER_KID: session_id[:8]})


def verify(message: bytes, session_public: Ed25519PublicKey) -> RecordingHeader:
    """BadSignature, WrongType or MalformedMessage; the payload is parsed only after its signature verified."""
    signed = cose.parse_sign1(message)
    header = _read(signed.verify(TYP, session_public))
    signed.require_unprotected({cose.HEADER_KID: header.session_id[:8]})
    return header


def claimed(message: bytes) -> RecordingHeader:
    """What a header says, without its signature, for a card whose statement is lost; MalformedMessage."""
    return _read(cose.parse_sign1(message).payload)


def _read(payload: bytes) -> RecordingHeader:
    rec_id, order_hash, session_id, _, _, entries, group, mono_us = fields.read(payload, "the recording header", _FIELDS)
    keys = tuple((number, sealed) for number, sealed in entries)
    if len(dict(keys)) < len(keys):
        raise MalformedMessage("the recording header names a recording key twice")
    return RecordingHeader(rec_id, order_hash, session_id, keys, group, mono_us)
