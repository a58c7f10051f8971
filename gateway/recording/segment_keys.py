"""Segment keys: what opens the segments of a recording: the agency's recording key, or keys of single segments.

A disclosed segment key opens that segment and nothing else: no other can be computed from it. SPEC.md section 8.
What lives here: both, with one method, and the file of the latter. What must not: the card.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Protocol

import msgspec

from gateway.errors import CardError
from gateway.recording.index import Place
from keys.errors import GrantError
from keys.grant import Profile
from keys.ratchet import KEY_SIZE, Ratchet, wipe
from keys.recording_header import REC_ID_SIZE, RecordingHeader


class SegmentKeys(Protocol):
    """What opens segments."""

    def opens(self, header: RecordingHeader) -> bool:
        """Whether there is a key for any segment of this recording."""
        ...

    def key(self, header: RecordingHeader, index: int) -> bytearray | None:
        """The key of segment `index`, which the caller erases; None if there is none."""
        ...


class RecordingKey(Protocol):
    """keys.folders.recording.RecordingFolder."""

    @property
    def profile(self) -> Profile: ...
    @property
    def seed(self) -> bytes: ...


class OfKey:
    """By the agency's recording key. A ratchet only goes forward: to go back it begins again with the header."""

    def __init__(self, key: RecordingKey) -> None:
        self._key = key
        self._ratchets: dict[bytes, tuple[Ratchet, int]] = {}  # rec_id -> it, and the segment whose key comes next

    def opens(self, header: RecordingHeader) -> bool:
        return self._ratchet(header, 0) is not None

    def key(self, header: RecordingHeader, index: int) -> bytearray | None:
        if (found := self._ratchet(header, index)) is None:
            return None
        ratchet, next_index = found
        for _ in range(next_index, index):
            wipe(ratchet.turn())
        self._ratchets[header.rec_id] = ratchet, index + 1
        return ratchet.turn()

    def _ratchet(self, header: RecordingHeader, index: int) -> tuple[Ratchet, int] | None:
        """One that has not gone past `index`."""
        kept = self._ratchets.get(header.rec_id)
        if kept is None or kept[1] > index:
            if (rk_0 := self._first_key(header)) is None:
                return None
            if kept:
                kept[0].wipe()
            kept = self._ratchets[header.rec_id] = Ratchet(bytearray(rk_0)), 0
        return kept

    def _first_key(self, header: RecordingHeader) -> bytes | None:
        """The ids of the keys are the order's, which may be lost: each is tried."""
        for key_id, _ in header.keys:
            with contextlib.suppress(GrantError):
                return header.open(key_id, self._key.profile, self._key.seed)
        return None


class Disclosed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file: rec_id -> index -> key, in hexadecimal, and for people what it is of."""

    zegel_segment_keys: int  # 1, the version of this form
    session: str
    group: str
    keys: dict[str, dict[str, str]]


class OfFile:
    """By keys of single segments that were disclosed."""

    def __init__(self, keys: Mapping[Place, bytes]) -> None:
        self._keys = keys

    @classmethod
    def decode(cls, data: bytes, name: object) -> OfFile:
        """CardError for what is not such a file."""
        try:
            said = msgspec.json.decode(data, type=Disclosed)
            keys = {
                (_bytes(rec_id, REC_ID_SIZE), int(index)): _bytes(key, KEY_SIZE)
                for rec_id, of_recording in said.keys.items()
                for index, key in of_recording.items()
            }
        except (ValueError, msgspec.MsgspecError) as error:
            raise CardError(f"{name} holds no segment keys: {error}", hint="zegel recording disclose makes it") from None
        return cls(keys)

    def opens(self, header: RecordingHeader) -> bool:
        return any(rec_id == header.rec_id for rec_id, _ in self._keys)

    def key(self, header: RecordingHeader, index: int) -> bytearray | None:
        found = self._keys.get((header.rec_id, index))
        return None if found is None else bytearray(found)


def disclosed(session: str, group: str, keys: Iterable[tuple[Place, bytearray]]) -> bytes:
    """The file of these keys."""
    of_recordings: dict[str, dict[str, str]] = {}
    for (rec_id, index), key in keys:
        of_recordings.setdefault(rec_id.hex(), {})[str(index)] = key.hex()
    return msgspec.json.format(msgspec.json.encode(Disclosed(1, session, group, of_recordings)), indent=1)


def _bytes(text: str, size: int) -> bytes:
    found = bytes.fromhex(text)
    if len(found) != size:
        raise ValueError(f"{len(found)} bytes where {size} belong")
    return found
