"""COSE signatures (RFC 9052) over deterministic CBOR (RFC 8949 section 4.2), as small and as strict as Zegel needs.

What lives here: the two signature structures and the one reader of CBOR. cbor2 decodes; the decoded value must encode
again to exactly the same bytes, so every message has one encoding. The caller passes the keys. Nothing is negotiated:
a verifier compares the protected header with the constant that its own key and message type require.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, utils

from keys.errors import BadSignature, MalformedMessage, WrongType

SIGN1_TAG = 18
SIGN_TAG = 98
_TAGS = {SIGN1_TAG: b"\xd2", SIGN_TAG: b"\xd8\x62"}  # their one encoding
BYTES = 0x40  # the first head of a byte string (RFC 8949 section 3); the last one here is 0x5A
_LENGTHS = (*[0] * 24, 1, 2, 4)  # bytes of length, or of the integer, after each head of a type
MESSAGE_MAX = 1 << 20
DEPTH_MAX = 8
HEADER_ALG, HEADER_KID, HEADER_TYP, HEADER_X5CHAIN = 1, 4, 16, 33


class Alg(enum.IntEnum):
    """COSE algorithm identifiers: RFC 9864, and RFC 9964 for ML-DSA."""

    ED25519 = -19
    ESP256 = -9
    ESP384 = -51
    ML_DSA_65 = -49

    @property
    def label(self) -> str:
        """The name of the algorithm that people use."""
        return {Alg.ED25519: "Ed25519", Alg.ESP256: "P-256", Alg.ESP384: "P-384", Alg.ML_DSA_65: "ML-DSA-65"}[self]


PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | mldsa.MLDSA65PrivateKey
PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | mldsa.MLDSA65PublicKey

_HASHES: dict[Alg, tuple[type[hashes.HashAlgorithm], int]] = {
    Alg.ESP256: (hashes.SHA256, 32),
    Alg.ESP384: (hashes.SHA384, 48),
}
_CURVES: dict[str, Alg] = {"secp256r1": Alg.ESP256, "secp384r1": Alg.ESP384}

# --- CBOR ---


def dumps(value: object) -> bytes:
    """Deterministic encoding (RFC 8949 section 4.2.1)."""
    return cbor2.dumps(value, canonical=True)


def loads(data: bytes) -> object:
    """The value whose deterministic encoding is `data`; MalformedMessage if there is none.

    Only the types of our messages: integers, byte and text strings, lists, maps, true, false, null. No tag: a shared
    reference (tag 29) expands a few hundred bytes into more than any memory holds.
    """
    if not 0 < len(data) <= MESSAGE_MAX:
        raise MalformedMessage(f"a message of {len(data)} bytes")
    try:
        value = cbor2.loads(
            data, semantic_decoders=NO_TAG, max_depth=DEPTH_MAX, allow_indefinite=False, allow_duplicate_keys=False
        )
        same = _is_plain(value) and dumps(value) == data
    except Exception as error:  # any exception of the decoder: it reads input from attackers
        raise MalformedMessage(f"not CBOR: {error}") from None
    if not same:
        raise MalformedMessage("not in the deterministic encoding of CBOR")
    return value


class _NoTag(Mapping[int, Callable[..., object]]):
    """For cbor2: a decoder for every possible tag, which refuses it."""

    def __getitem__(self, tag: int) -> Callable[..., object]:
        return self._refuse

    def __iter__(self) -> Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 1  # an empty mapping counts as none

    def _refuse(self, *_: object) -> object:
        raise ValueError("a tag")


NO_TAG = _NoTag()  # also for a reader of CBOR sequences


def _is_plain(value: object) -> bool:
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, (int, bytes, str)) for key in value) and all(map(_is_plain, value.values()))
    return value is None or isinstance(value, (int, bytes, str))  # bool is an int


# --- keys ---


def algorithm(key: PrivateKey | PublicKey) -> Alg:
    """The one algorithm that a key signs with."""
    if isinstance(key, (ed25519.Ed25519PrivateKey, ed25519.Ed25519PublicKey)):
        return Alg.ED25519
    if isinstance(key, (mldsa.MLDSA65PrivateKey, mldsa.MLDSA65PublicKey)):
        return Alg.ML_DSA_65
    if isinstance(key, (ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey)) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    raise WrongType(f"{type(key).__name__} signs nothing here")


def load_public(alg: int, raw: bytes) -> PublicKey:
    """A signing key from an order: Ed25519 32 bytes, P-256 an uncompressed point of 65 bytes."""
    try:
        if alg == Alg.ED25519:
            return ed25519.Ed25519PublicKey.from_public_bytes(raw)
        if alg == Alg.ESP256:
            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
    except ValueError as error:
        raise MalformedMessage(f"not a public key: {error}") from None
    raise WrongType(f"algorithm {alg} is not one that a device signs with")


def raw_public(key: PublicKey) -> tuple[int, bytes]:
    """(alg, bytes) as `load_public` takes them."""
    alg = algorithm(key)
    if isinstance(key, ec.EllipticCurvePublicKey):
        point = serialization.PublicFormat.UncompressedPoint
        return alg, key.public_bytes(serialization.Encoding.X962, point)
    return alg, key.public_bytes_raw()


def _sign(key: PrivateKey, data: bytes) -> bytes:
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data)
    algorithm_, size = _HASHES[algorithm(key)]
    r, s = utils.decode_dss_signature(key.sign(data, ec.ECDSA(algorithm_())))
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def _verify(key: PublicKey, signature: bytes, data: bytes) -> None:
    try:
        if not isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, data)
            return
        algorithm_, size = _HASHES[algorithm(key)]
        if len(signature) != 2 * size:
            raise InvalidSignature
        r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
        key.verify(utils.encode_dss_signature(r, s), data, ec.ECDSA(algorithm_()))
    except InvalidSignature:
        raise BadSignature("a signature does not verify") from None


# --- structures ---


def sig_structure(
    context: str, body_protected: bytes, sign_protected: bytes | None, payload: bytes, external_aad: bytes = b""
) -> bytes:
    """Sig_structure of RFC 9052 section 4.4. An empty protected map (a0) counts as an empty string."""
    heads = [body_protected] if sign_protected is None else [body_protected, sign_protected]
    return dumps([context, *(b"" if head == b"\xa0" else head for head in heads), external_aad, payload])


@dataclasses.dataclass(frozen=True, slots=True)
class Sign1:
    """A COSE_Sign1 of which only the outer array has been read."""

    protected: bytes
    unprotected: dict[object, object]
    payload: bytes
    signature: bytes

    def verify(self, typ: str, public_key: PublicKey) -> bytes:
        """The payload. WrongType if it is another kind of message, BadSignature if the signature is not by this key."""
        if self.protected != _protected1(algorithm(public_key), typ):
            raise WrongType(f"not a {typ} signed with {algorithm(public_key).name}")
        _verify(public_key, self.signature, sig_structure("Signature1", self.protected, None, self.payload))
        return self.payload

    def require_unprotected(self, expected: Mapping[int, object]) -> None:
        """MalformedMessage for any other header: it is not signed, so anyone could make endless variants of one message."""
        if self.unprotected != expected:
            raise MalformedMessage("the unprotected header is not of its one form")


def _protected1(alg: Alg, typ: str) -> bytes:
    return dumps({HEADER_ALG: int(alg), HEADER_TYP: typ})


def sign1(payload: bytes, typ: str, key: PrivateKey, unprotected: dict[int, object] | None = None) -> bytes:
    """COSE_Sign1, tag 18, protected {1: alg, 16: typ} (RFC 9052 section 4.2, RFC 9596)."""
    protected = _protected1(algorithm(key), typ)
    signature = _sign(key, sig_structure("Signature1", protected, None, payload))
    return dumps(cbor2.CBORTag(SIGN1_TAG, [protected, unprotected or {}, payload, signature]))


def parse_sign1(data: bytes) -> Sign1:
    """The outer array only; nothing inside is trusted before `verify`."""
    protected, unprotected, payload, signature = _array(data, SIGN1_TAG, (bytes, dict, bytes, bytes))
    return Sign1(protected, unprotected, payload, signature)


def claimed_kid(message: bytes, typ: str, alg: Alg, size: int) -> bytes | None:
    """The kid of a COSE_Sign1, read at its fixed position; None unless the bytes before it are the constant ones.

    This costs one comparison, so that a flood of forgeries is not parsed.
    """
    head = _head1(typ, alg, size)
    return message[len(head) : len(head) + size] if message.startswith(head) else None


def claimed_payload(message: bytes, typ: str) -> bytes | None:
    """The payload of a COSE_Sign, with its CBOR head, from its position; None unless the bytes before it are constant.

    Nothing is parsed, and the bytes after it are not read.
    """
    head = _head(typ)
    rest = message[len(head) :]
    found = _leading(rest, BYTES) if message.startswith(head) else None
    if found is None:
        return None
    begin, size = found
    return rest[: begin + size] if begin + size <= len(rest) else None


def claimed_payload1(message: bytes, typ: str, alg: Alg, kid_size: int) -> bytes | None:
    """The beginning of the payload of a COSE_Sign1, at its fixed position after a kid of this size; None as `claimed_kid`.

    Nothing is parsed, and the result may be incomplete.
    """
    head = _head1(typ, alg, kid_size)
    rest = message[len(head) + kid_size :]
    found = _leading(rest, BYTES) if message.startswith(head) else None
    return None if found is None else rest[found[0] :]


def leading_uint(data: bytes) -> int | None:
    """The unsigned integer below 2^32 with which `data` begins, in any encoding; None if it begins with none."""
    found = _leading(data, 0)
    return None if found is None else found[1]


def _leading(data: bytes, major: int) -> tuple[int, int] | None:
    """(width, argument) of the head with which `data` begins (RFC 8949 section 3), if it is of this major type."""
    if not data or not major <= data[0] < major + len(_LENGTHS):
        return None
    short, width = data[0] - major, _LENGTHS[data[0] - major]
    return 1 + width, int.from_bytes(data[1 : 1 + width], "big") if width else short


@functools.cache
def _head(typ: str) -> bytes:
    """Tag 98, an array of four, the protected header, and the empty unprotected one."""
    return _TAGS[SIGN_TAG] + b"\x84" + dumps(dumps({HEADER_TYP: typ})) + dumps({})


@functools.cache
def _head1(typ: str, alg: Alg, kid_size: int) -> bytes:
    """Tag 18, an array of four, the protected header, and the unprotected one up to the content of its kid."""
    return _TAGS[SIGN1_TAG] + b"\x84" + dumps(_protected1(alg, typ)) + dumps({HEADER_KID: bytes(kid_size)})[:-kid_size]


def _array(data: bytes, tag: int, kinds: tuple[type, ...]) -> list:  # type: ignore[type-arg]
    head = _TAGS[tag]
    if not data.startswith(head):
        raise MalformedMessage(f"not a COSE message with tag {tag}")
    items = loads(data[len(head) :])
    if not isinstance(items, list) or len(items) != len(kinds):
        raise MalformedMessage(f"the COSE message with tag {tag} is not of its form")
    if any(type(item) is not kind for item, kind in zip(items, kinds, strict=True)):
        raise MalformedMessage(f"the COSE message with tag {tag} is not of its form")
    return items


@dataclasses.dataclass(frozen=True, slots=True)
class Signer:
    """A key that signs an order, and its certificate chain (DER), its own certificate first."""

    key: PrivateKey
    chain: tuple[bytes, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class SignerInfo:
    """One signature of a COSE_Sign, not verified."""

    protected: bytes
    unprotected: dict[object, object]
    alg: int
    chain: tuple[bytes, ...]
    signature: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Sign:
    """A COSE_Sign, not verified."""

    protected: bytes
    unprotected: dict[object, object]
    payload: bytes
    signatures: tuple[SignerInfo, ...]

    def verify(self, typ: str, index: int, public_key: PublicKey) -> None:
        """Check signature `index` with `public_key`; WrongType or BadSignature."""
        signer = self.signatures[index]
        alg = algorithm(public_key)
        if self.protected != dumps({HEADER_TYP: typ}) or signer.protected != dumps({HEADER_ALG: int(alg)}):
            raise WrongType(f"not a {typ} signed with {alg.name}")
        _verify(public_key, signer.signature, sig_structure("Signature", self.protected, signer.protected, self.payload))

    def require_unprotected(self) -> None:
        """MalformedMessage unless the outer header is empty and each signature's holds its chain and nothing else.

        No signature covers them, so anyone could make endless variants of one file. A chain of one is the certificate
        itself (RFC 9360 section 2), so that it has one encoding.
        """
        if self.unprotected or any(signer.unprotected != _chain_header(signer.chain) for signer in self.signatures):
            raise MalformedMessage("the unprotected headers are not of their one form")


def sign(payload: bytes, typ: str, signers: Sequence[Signer]) -> bytes:
    """COSE_Sign, tag 98, protected {16: typ}; each signature carries its x5chain (RFC 9052 section 4.1, RFC 9360)."""
    protected = dumps({HEADER_TYP: typ})
    signatures = []
    for signer in signers:
        head = dumps({HEADER_ALG: int(algorithm(signer.key))})
        signature = _sign(signer.key, sig_structure("Signature", protected, head, payload))
        signatures.append([head, _chain_header(signer.chain), signature])
    return dumps(cbor2.CBORTag(SIGN_TAG, [protected, {}, payload, signatures]))


def _chain_header(chain: Sequence[bytes]) -> dict[int, object]:
    return {HEADER_X5CHAIN: chain[0] if len(chain) == 1 else list(chain)}


def parse_sign(data: bytes) -> Sign:
    """The outer arrays only; nothing inside is trusted before `verify`."""
    protected, unprotected, payload, signatures = _array(data, SIGN_TAG, (bytes, dict, bytes, list))
    return Sign(protected, unprotected, payload, tuple(map(_signer_info, signatures)))


def _signer_info(item: object) -> SignerInfo:
    if not isinstance(item, (list, tuple)) or len(item) != 3 or [type(i) for i in item] != [bytes, dict, bytes]:  # noqa: PLR2004
        raise MalformedMessage("a signature of the COSE message is not of its form")
    protected, unprotected, signature = item
    head, chain = loads(protected), unprotected.get(HEADER_X5CHAIN)
    certificates = (chain,) if isinstance(chain, bytes) else tuple(chain) if isinstance(chain, list) else ()
    if not isinstance(head, dict) or type(head.get(HEADER_ALG)) is not int:
        raise MalformedMessage("a signature of the COSE message names no algorithm")
    if not certificates or any(type(c) is not bytes for c in certificates):
        raise MalformedMessage("a signature of the COSE message carries no certificate")
    return SignerInfo(protected, unprotected, head[HEADER_ALG], certificates, signature)
