"""Opening: the plaintext of one segment, chunk by chunk, and the records in it. SPEC.md section 8.

What lives here: both, up to the first bad place, which is an exception here and damage for the caller. What must not: which
segments there are, and their keys.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from typing import Protocol

from gateway.recording import cobblestone, pcap
from gateway.recording.cobblestone import HEADER_SIZE, SEALED_SIZE, Opener
from gateway.recording.pcap import FILE_HEADER, OVERHEAD, Malformed, Record
from keys import cose

READ_CHUNKS = 4  # at once: a system call for 64 KiB
HASH_SIZE = 1 << 18  # bytes at once


class Readable(Protocol):
    """gateway.recording.card.File."""

    def read(self, at: int, size: int) -> bytes: ...


def context(rec_id: bytes, index: int) -> bytes:
    """What a segment is bound to."""
    return cose.dumps(["zegel/1 seg", rec_id, index])


def chunks(file: Readable, key: bytes | bytearray, bound_to: bytes) -> Iterator[bytes]:
    """The plaintext of a segment. WrongKey, or BadChunk behind the last whole chunk if the segment is not whole."""
    opener = Opener(key, bound_to, file.read(0, HEADER_SIZE))
    for number in itertools.count():
        if (place := number % READ_CHUNKS) == 0:
            read = memoryview(file.read(cobblestone.offset(number), READ_CHUNKS * SEALED_SIZE))
        sealed = read[place * SEALED_SIZE : (place + 1) * SEALED_SIZE]
        yield opener.chunk(number, sealed)
        if len(sealed) < SEALED_SIZE:
            return


def records(plaintext: Iterable[bytes], index: int) -> Iterator[Record]:
    """Those of segment `index`. Malformed for bytes that are none; a record that is cut at the end is left out."""
    rest, expected = b"", b"" if index else FILE_HEADER
    for more in plaintext:
        data, at = rest + more, 0
        if expected:
            if len(data) < len(expected):
                rest = data
                continue
            if not data.startswith(expected):
                raise Malformed("it does not begin as a pcap file")
            at, expected = len(expected), b""
        for record in pcap.read(data, at):
            yield record
            at += OVERHEAD + len(record.content)
        rest = data[at:]


def sha256(file: Readable, size: int) -> bytes:
    """Of the file, which is ciphertext."""
    digest = hashlib.sha256()
    for at in range(0, size, HASH_SIZE):
        digest.update(file.read(at, min(HASH_SIZE, size - at)))
    return digest.digest()
