"""RFC 8452 appendix C, and what the control datagrams are made with: SPEC.md sections 2 and 4.1.

The published vectors have nonces and AADs of their own, so they are held against the library's AEAD; the control cipher is
then that AEAD with the nonce, the AAD and the key of SPEC.md, and the key is derived a second time by the standard library.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import cryptography_vectors
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from gateway.core.control_cipher import ControlCipher
from gateway.core.fragment import split
from gateway.core.wire import Kind
from keys.operation_key import control_key, op_tag
from tests.vectors.independent import hkdf_expand, hkdf_extract

OP_ID = bytes(range(16))
CONTROL_KEY = bytes.fromhex("30fc4c127dee1be6ab1a27a2c62dc26c52bbb92bce2246f494e134c5a1658b32")
OP_TAG = bytes.fromhex("ab9f5d3002ea2e290ca0577ce6d191c8")
NAMES = ("Key", "IV", "AAD", "Plaintext", "Ciphertext", "Tag")


def published() -> list[dict[str, bytes]]:
    """Those of AES-256, as they stand in cryptography-vectors."""
    text = (Path(cryptography_vectors.__file__).parent / "ciphers/AES/GCM-SIV/openssl.txt").read_text()
    made = []
    for block in text.split("#Cipher")[1:]:
        fields = dict(line.split(" = ", 1) for line in block.splitlines()[1:] if " = " in line)
        made.append({name: bytes.fromhex(fields.get(name, "")) for name in NAMES})
    return [vector for vector in made if len(vector["Key"]) == 32]


VECTORS = published()
assert VECTORS, "cryptography-vectors has them"


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["Tag"].hex()[:8])
def test_rfc_8452(vector: dict[str, bytes]):
    aead, sealed = AESGCMSIV(vector["Key"]), vector["Ciphertext"] + vector["Tag"]
    assert aead.encrypt(vector["IV"], vector["Plaintext"], vector["AAD"]) == sealed
    assert aead.decrypt(vector["IV"], sealed, vector["AAD"]) == vector["Plaintext"]
    with pytest.raises(InvalidTag):
        aead.decrypt(vector["IV"], sealed, vector["AAD"] + b"!")


def test_control_key_and_operation_tag():
    """HKDF-SHA512 over op_id, salt empty, each under its label."""
    prk = hkdf_extract("sha512", b"", OP_ID)
    assert control_key(OP_ID) == CONTROL_KEY == hkdf_expand("sha512", prk, b"Zegel 1.0 Control key", 32)
    assert op_tag(OP_ID) == OP_TAG == hkdf_expand("sha512", prk, b"Zegel 1.0 Operation tag", 16)


def test_a_sealed_control_datagram():
    """0x01 || AES-256-GCM-SIV(kind || index || count || msg_id || fragment), nonce of zeros, AAD 01: 16 bytes more."""
    first, second = split(Kind.ANNOUNCEMENT, b"m" * 1181)
    cipher = ControlCipher(OP_ID)
    assert cipher.seal(first) == b"\x01" + AESGCMSIV(CONTROL_KEY).encrypt(bytes(12), first[1:], b"\x01")
    assert len(cipher.seal(first)) == 1208
    assert (
        hashlib.sha256(cipher.seal(first)).hexdigest() == "7b613f4cb4977dbf4f0508f022c4fa601c4359e7d45e509d3630f26fe6c5c03d"
    )
    assert cipher.seal(second).hex() == "012bd42f0a7bf21b2a8097f21f353379856d588c73b103f54f7d983724"
    assert cipher.open(cipher.seal(second)) == second
