"""C2SP chunked-encryption through gateway.recording.cobblestone.

The published vectors are of the construction with SHA-256, so our reader is held against them with that hash; the instance
that a recording has, with SHA-512, is held against the library's.
"""

from __future__ import annotations

import base64
import hashlib
import random
import zlib
from typing import Any

import pytest
from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from gateway.recording import cobblestone
from gateway.recording.cobblestone import CHUNK_SIZE, HEADER_SIZE, SEALED_SIZE, BadChunk, NotOpened, Opener, Suite, WrongKey
from tests.vectors.sources import packaged, shared

SUITES = {
    "AEAD_AES_128_GCM": Suite(b"AEAD_AES_128_GCM", 16, hashes.SHA256, AESGCM),
    "AEAD_AES_256_GCM": Suite(b"AEAD_AES_256_GCM", 32, hashes.SHA256, AESGCM),
    "AEAD_CHACHA20_POLY1305": Suite(b"AEAD_CHACHA20_POLY1305", 32, hashes.SHA256, ChaCha20Poly1305),
}
KEY, CONTEXT = bytes(range(32)), b"context"
SIZES = (0, 1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 3 * CHUNK_SIZE, 3 * CHUNK_SIZE + 5)

Vector = dict[str, Any]


def vectors() -> list[Vector]:
    return packaged("chunked-encryption/vectors.json")["vectors"]


def opened(key: bytes, context: bytes, message: bytes, suite: Suite = cobblestone.COBBLESTONE_256) -> tuple[bytes, bool]:
    """(the chunks up to the first bad one, whether the message is whole)."""
    found = b""
    try:
        opener, number = Opener(key, context, message[:HEADER_SIZE], suite), 0
        while (at := cobblestone.offset(number)) < len(message):
            sealed = message[at : at + SEALED_SIZE]
            found += opener.chunk(number, sealed)
            if len(sealed) < SEALED_SIZE:
                return found, True
            number += 1
    except NotOpened:
        pass
    return found, False


def sealed(plaintext: bytes) -> bytes:
    encryptor = Cobblestone256Encryptor(KEY, CONTEXT)
    return encryptor.update(plaintext) + encryptor.finalize()


def by_the_library(message: bytes) -> bytes:
    """What its decryptor gives of a message that is not whole, chunk by chunk."""
    found, decryptor = b"", Cobblestone256Decryptor(KEY, CONTEXT)
    try:
        for begin in (0, *range(HEADER_SIZE, len(message), SEALED_SIZE)):
            found += decryptor.update(message[begin : begin + (SEALED_SIZE if begin else HEADER_SIZE)])
        decryptor.finalize()
    except InvalidTag:
        return found
    raise AssertionError("the message is whole")


def test_there_are_as_many_vectors_as_were_counted():
    assert len(vectors()) == 102
    assert {vector["aead"] for vector in vectors()} == SUITES.keys()


@pytest.mark.shared
def test_the_vectors_of_the_package_are_those_that_were_published():
    assert packaged("chunked-encryption/vectors.json") == shared("cobblestone/vectors.json")


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["name"])
def test_a_published_vector(vector: Vector):
    message = base64.b64decode(vector["ciphertext"] or "")
    message = zlib.decompress(message) if vector.get("compressed") else message
    suite, context = SUITES[vector["aead"]], vector["context"].encode()
    found, whole = opened(bytes.fromhex(vector["key"]), context, message, suite)
    assert whole == (vector["expect"] == "success")
    if vector.get("payload_sha256"):
        assert (len(found), hashlib.sha256(found).hexdigest()) == (vector["payload_length"], vector["payload_sha256"])
    else:
        assert found == b""


@pytest.mark.parametrize("size", SIZES)
def test_what_the_library_sealed_opens_here(size: int):
    plaintext = random.Random(size).randbytes(size)
    assert opened(KEY, CONTEXT, sealed(plaintext)) == (plaintext, True)


@pytest.mark.parametrize("size", SIZES)
def test_of_a_message_that_is_cut_or_changed_both_open_the_same(size: int):
    message, draw = sealed(random.Random(size).randbytes(size)), random.Random(size)
    for _ in range(20):
        at = draw.randrange(len(message))
        for wrong in (message[:at], message[:at] + bytes([message[at] ^ 1 << draw.randrange(8)]) + message[at + 1 :]):
            assert opened(KEY, CONTEXT, wrong) == (by_the_library(wrong), False)


def test_chunks_open_in_any_sequence_and_in_no_others_place():
    plaintext = random.Random(1).randbytes(4 * CHUNK_SIZE + 100)
    message = sealed(plaintext)
    opener = Opener(KEY, CONTEXT, message[:HEADER_SIZE])
    for number in (4, 2, 0, 3, 2):
        at = cobblestone.offset(number)
        part = message[at : at + SEALED_SIZE]
        assert opener.chunk(number, part) == plaintext[number * CHUNK_SIZE :][:CHUNK_SIZE]
        with pytest.raises(BadChunk):
            opener.chunk(number + 1, part)


def test_another_key_or_context_is_seen_in_the_header():
    header = sealed(b"")[:HEADER_SIZE]
    for key, context, head in (
        (bytes(32), CONTEXT, header),
        (KEY[:-1], CONTEXT, header),
        (KEY, b"other", header),
        (KEY, CONTEXT, header[:-1]),
        (KEY, CONTEXT, b""),
    ):
        with pytest.raises(WrongKey):
            Opener(key, context, head)
