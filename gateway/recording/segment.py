"""Segments: what is sealed until the card has it. SPEC.md section 8. Sans-IO: random bytes and time are arguments.

What lives here: a recording and its ratchet, a segment that grows, and the cut that they belong to, each kept as ciphertext
until the card has all of it: a card that fails gets the same bytes again.
"""

from __future__ import annotations

import dataclasses
import hashlib

from cryptography.cobblestone import Cobblestone256Encryptor

from gateway.recording import pcap
from gateway.recording.group import Group
from gateway.recording.leaf import Cut, File, Leaf
from keys import cose
from keys.order import Order
from keys.ratchet import Ratchet, wipe

CONTEXT = "zegel/1 seg"
LEAF_MEMORY = 512  # bytes, about


@dataclasses.dataclass(frozen=True)
class SessionFiles:
    """What the folder of a session holds next to its recordings."""

    session_id: bytes
    order_hash: bytes
    order: Order = dataclasses.field(repr=False)
    order_file: bytes = dataclasses.field(repr=False)
    statement: bytes = dataclasses.field(repr=False)
    software: str


class Recording:
    """One group during one epoch. `message` is its signed header, as soon as air has signed it."""

    def __init__(self, rec_id: bytes, group: Group, payload: bytes, ratchet: Ratchet) -> None:
        self.rec_id, self.group, self.payload = rec_id, group, payload
        self.message = b""
        self._ratchet, self._next = ratchet, 0

    def segment(self, start_us: int) -> Segment:
        """The next one. The ratchet turns now: no later key follows from that of this segment."""
        index, self._next = self._next, self._next + 1
        return Segment(self, index, self._ratchet.turn(), start_us)

    def end(self) -> None:
        """No segment follows."""
        self._ratchet.wipe()


class Segment:
    """One file: records go in, ciphertext is kept until the card has it."""

    def __init__(self, recording: Recording, index: int, key: bytearray, start_us: int) -> None:
        """`key` is erased."""
        self.recording, self.index = recording, index
        self.start_us = self.end_us = start_us
        self.pieces: list[bytes] = []
        self.length = 0  # bytes of `pieces`
        self._encryptor: Cobblestone256Encryptor | None = Cobblestone256Encryptor(key, context(recording.rec_id, index))
        wipe(key)
        self._hash = hashlib.sha256()
        if index == 0:
            self._feed(pcap.FILE_HEADER)

    def put(self, records: memoryview, start_us: int, end_us: int) -> None:
        """Whole records, of times from `start_us` to `end_us`."""
        self._feed(records)
        self.start_us, self.end_us = min(self.start_us, start_us), max(self.end_us, end_us)

    def _feed(self, plaintext: bytes | memoryview) -> None:
        assert self._encryptor is not None
        self._keep(self._encryptor.update(plaintext))

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._hash.update(piece)
            self.pieces.append(piece)
            self.length += len(piece)

    def finish(self) -> File:
        """The last chunk; the key is gone."""
        assert self._encryptor is not None
        self._keep(self._encryptor.finalize())
        self._encryptor = None
        return File(self.recording.group, self.recording.rec_id, self.index, self.length, self._hash.digest())


def context(rec_id: bytes, index: int) -> bytes:
    """What a segment is sealed for."""
    return cose.dumps([CONTEXT, rec_id, index])


class Batch:
    """All that goes to the card together: the segments of one cut, and leaves. `closed`: nothing is added any more."""

    def __init__(self, session: SessionFiles) -> None:
        self.session = session
        self.segments: list[Segment] = []
        self.leaves: list[Leaf] = []
        self.closed = False

    def __bool__(self) -> bool:
        return bool(self.segments or self.leaves)

    def ready(self) -> bool:
        """Whether all of it may count: air has signed the headers of its recordings."""
        return self.closed and all(segment.recording.message for segment in self.segments)

    def abandon(self) -> None:
        """Without what air has not signed, now that it is gone: no one could open that."""
        self.segments = [segment for segment in self.segments if segment.recording.message]
        signed = {segment.recording.rec_id for segment in self.segments}
        for place, one in enumerate(self.leaves):
            if isinstance(one, Cut):
                files = tuple(file for file in one.files if file.rec_id in signed)
                self.leaves[place : place + 1] = [dataclasses.replace(one, files=files)] if files else []

    def length(self) -> int:
        """Bytes of its files."""
        return sum(segment.length for segment in self.segments)

    def memory(self) -> int:
        """Bytes that it takes here."""
        return self.length() + LEAF_MEMORY * len(self.leaves)
