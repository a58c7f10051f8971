"""Cobblestone: reading a message of C2SP chunked-encryption, whole or any chunk of it. SPEC.md section 8.

What lives here: the form of a message, and one chunk at a time, which is authenticated before it is handed out. The
decryptor of the library reads from the beginning only, and returns nothing of a file whose end is torn. What must not:
files. Pure.

    salt 24 ‖ commitment 32 ‖ chunk 0 ‖ chunk 1 ...      a chunk is 16,384 bytes and a tag; the last one is shorter
    key ‖ base_nonce 12 ‖ commitment = HKDF-Expand(input key, "c2sp.org/chunked-encryption@v1+" name ‖ 00 ‖ salt ‖ context)
    nonce of chunk k = base_nonce xor k
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import constant_time, hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

CHUNK_SIZE = 16_384  # bytes of plaintext
TAG_SIZE = 16
SEALED_SIZE = CHUNK_SIZE + TAG_SIZE  # of a chunk that is not the last
_SALT_SIZE, _COMMITMENT_SIZE, _NONCE_SIZE = 24, 32, 12
HEADER_SIZE = _SALT_SIZE + _COMMITMENT_SIZE
_LABEL = b"c2sp.org/chunked-encryption@v1+"


class Suite(NamedTuple):
    """One instance of the construction; a key has as many bytes as the AEAD's own."""

    name: bytes
    key_size: int
    hash: Callable[[], hashes.HashAlgorithm]
    aead: Callable[[bytes], AESGCM | ChaCha20Poly1305]


COBBLESTONE_256 = Suite(b"AEAD_AES_256_GCM", 32, hashes.SHA512, AESGCM)


class NotOpened(Exception):
    """`WrongKey` or `BadChunk`."""


class WrongKey(NotOpened):
    """The header does not commit to this key and context."""


class BadChunk(NotOpened):
    """A chunk that was changed, cut, moved, or never written whole."""


def offset(number: int) -> int:
    """Where chunk `number` begins in the message."""
    return HEADER_SIZE + number * SEALED_SIZE


class Opener:
    """Opens the chunks of one message, in any sequence. WrongKey if its header, the first 56 bytes, is of another key."""

    def __init__(self, key: bytes | bytearray, context: bytes, header: bytes, suite: Suite = COBBLESTONE_256) -> None:
        if len(key) != suite.key_size or len(header) != HEADER_SIZE:
            raise WrongKey
        info = _LABEL + suite.name + b"\0" + header[:_SALT_SIZE] + context
        size = suite.key_size + _NONCE_SIZE + _COMMITMENT_SIZE
        derived = HKDFExpand(suite.hash(), size, info).derive(bytes(key))
        if not constant_time.bytes_eq(derived[-_COMMITMENT_SIZE:], header[_SALT_SIZE:]):
            raise WrongKey
        self._aead = suite.aead(derived[: suite.key_size])
        self._base_nonce = int.from_bytes(derived[suite.key_size : -_COMMITMENT_SIZE], "big")

    def chunk(self, number: int, sealed: bytes | memoryview) -> bytes:
        """The plaintext of chunk `number`; BadChunk. The last is shorter than SEALED_SIZE: without it a message is cut."""
        if len(sealed) > SEALED_SIZE:
            raise BadChunk
        try:
            return self._aead.decrypt((self._base_nonce ^ number).to_bytes(_NONCE_SIZE, "big"), sealed, None)
        except InvalidTag:
            raise BadChunk from None
