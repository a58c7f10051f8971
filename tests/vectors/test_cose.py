"""The COSE working group's signature examples through keys.cose.

Zegel pins its protected headers and carries certificates, so its own `verify` refuses these messages as foreign. What is
shared is below that: the outer form, Sig_structure and the signature check. Those run here as they run there.
"""

from __future__ import annotations

import base64
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from keys import cose
from keys.errors import BadSignature, KeysError, MalformedMessage, WrongType
from tests import tagged
from tests.vectors.sources import shared

pytestmark = pytest.mark.shared

OURS = (  # Ed25519, ES256 and ES384, with one signer
    "eddsa-examples/eddsa-01",
    "eddsa-examples/eddsa-sig-01",
    "ecdsa-examples/ecdsa-01",
    "ecdsa-examples/ecdsa-02",
    "ecdsa-examples/ecdsa-sig-01",
    "ecdsa-examples/ecdsa-sig-02",
    "sign-tests/ecdsa-01",
    "sign-tests/sign-pass-01",  # the protected header is a0 and counts as empty
    "sign-tests/sign-pass-02",  # external data
    "sign1-tests/sign-pass-01",
    "sign1-tests/sign-pass-02",
)
FAILING = {  # and how
    "sign-tests/sign-fail-01": MalformedMessage,  # another tag
    "sign-tests/sign-fail-02": BadSignature,
    "sign-tests/sign-fail-03": BadSignature,  # the algorithm in the header changed
    "sign-tests/sign-fail-04": MalformedMessage,  # ... to a text, which a signer of ours cannot have
    "sign-tests/sign-fail-06": BadSignature,  # a header added
    "sign-tests/sign-fail-07": BadSignature,  # a header removed
    "sign1-tests/sign-fail-01": MalformedMessage,
    "sign1-tests/sign-fail-02": BadSignature,
    "sign1-tests/sign-fail-03": BadSignature,
    "sign1-tests/sign-fail-04": BadSignature,
    "sign1-tests/sign-fail-06": BadSignature,
    "sign1-tests/sign-fail-07": BadSignature,
}
STRICTER = ("sign-tests/sign-pass-03", "sign1-tests/sign-pass-03")  # no tag: RFC 9052 allows it, Zegel does not
OTHER_ALGORITHMS = {  # Zegel has one algorithm per key: no P-521, and P-256 only with SHA-256
    "ecdsa-examples/ecdsa-03": WrongType,
    "ecdsa-examples/ecdsa-04": BadSignature,
    "ecdsa-examples/ecdsa-sig-03": WrongType,
    "ecdsa-examples/ecdsa-sig-04": BadSignature,
}
CURVES = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}


def public_key(jwk: dict[str, str]) -> Any:
    if jwk["kty"] == "OKP":
        return ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(jwk["x_hex"]))
    x, y = (int.from_bytes(base64.urlsafe_b64decode(jwk[c] + "=="), "big") for c in "xy")
    return ec.EllipticCurvePublicNumbers(x, y, CURVES[jwk["crv"]]).public_key()


def with_certificate(message: bytes) -> bytes:
    """The message with a certificate chain in its signer's header, which is not signed and without which it is not ours."""
    value: Any = tagged.parts(message)
    if not isinstance(value, cbor2.CBORTag):
        return message
    value.value[3][0][1][cose.HEADER_X5CHAIN] = b"certificate"
    return cose.dumps(value)


def verify(example: dict[str, Any]) -> bytes:
    """Verify an example with the parts of keys.cose; returns what was signed."""
    entry, message = example["input"], bytes.fromhex(example["output"]["cbor"])
    signer = entry.get("sign0") or entry["sign"]["signers"][0]
    external = bytes.fromhex(signer.get("external", ""))
    if "sign0" in entry:
        one = cose.parse_sign1(message)
        signed = cose.sig_structure("Signature1", one.protected, None, one.payload, external)
        signature = one.signature
    else:
        many = cose.parse_sign(with_certificate(message))
        (info,) = many.signatures
        signed = cose.sig_structure("Signature", many.protected, info.protected, many.payload, external)
        signature = info.signature
    cose._verify(public_key(signer["key"]), signature, signed)
    return signed


def to_be_signed(example: dict[str, Any]) -> bytes:
    steps = example["intermediates"]
    return bytes.fromhex(steps.get("ToBeSign_hex") or steps["signers"][0]["ToBeSign_hex"])


@pytest.mark.parametrize("name", OURS)
def test_verifies(name: str):
    example = shared(f"cose/{name}.json")
    assert verify(example) == to_be_signed(example)


@pytest.mark.parametrize("name", OURS)
def test_is_a_foreign_message_to_zegel(name: str):
    example = shared(f"cose/{name}.json")
    message = bytes.fromhex(example["output"]["cbor"])
    if "sign0" in example["input"]:
        with pytest.raises(WrongType, match="not a zegel-beat"):
            cose.parse_sign1(message).verify("zegel-beat", public_key(example["input"]["sign0"]["key"]))
    else:
        with pytest.raises(MalformedMessage, match="carries no certificate"):
            cose.parse_sign(message)
        key = public_key(example["input"]["sign"]["signers"][0]["key"])
        with pytest.raises(WrongType, match="not a zegel-order"):
            cose.parse_sign(with_certificate(message)).verify("zegel-order", 0, key)


@pytest.mark.parametrize("name", FAILING)
def test_fails(name: str):
    with pytest.raises(FAILING[name]):
        verify(shared(f"cose/{name}.json"))


@pytest.mark.parametrize("name", STRICTER)
def test_a_message_without_its_tag_is_refused(name: str):
    with pytest.raises(MalformedMessage, match="not a COSE message"):
        verify(shared(f"cose/{name}.json"))


@pytest.mark.parametrize("name", OTHER_ALGORITHMS)
def test_other_algorithms_are_refused(name: str):
    refusal = OTHER_ALGORITHMS[name]
    assert issubclass(refusal, KeysError)
    with pytest.raises(refusal):
        verify(shared(f"cose/{name}.json"))
