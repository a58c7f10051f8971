"""Leaves: the entries of the log of a session, which are also the index of its recordings. SPEC.md section 9. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import ClassVar, TypeAlias

from gateway.recording import sequence
from gateway.recording.group import Group
from gateway.recording.reason import CloseReason, GapReason
from keys import cose, fields
from keys.errors import KeysError
from keys.order import ORDER_HASH_SIZE

REC_ID_SIZE = 16
HASH_SIZE = 32  # SHA-256
SOFTWARE_MAX = 256  # bytes of the name of a version
FILES_MAX, GROUPS_MAX = len(Group), len(Group)


@dataclasses.dataclass(frozen=True, slots=True)
class Open:
    """A session began."""

    KIND: ClassVar = 0
    order_hash: bytes
    software: str
    previous: None = None  # the log of the session before, in a later version


@dataclasses.dataclass(frozen=True, slots=True)
class Recording:
    """A recording began."""

    KIND: ClassVar = 1
    rec_id: bytes
    header_hash: bytes  # SHA-256 of header.cose


@dataclasses.dataclass(frozen=True, slots=True)
class File:
    """One segment of a cut."""

    group: Group
    rec_id: bytes
    index: int
    length: int  # bytes of the file
    sha256: bytes  # of the file, which is ciphertext


@dataclasses.dataclass(frozen=True, slots=True)
class Cut:
    """The segments of all groups ended together, and are on the card. No record in them is before start or after end."""

    KIND: ClassVar = 2
    start_us: int
    end_us: int
    utc_us: int  # of the end, as the aircraft claimed it; 0 if it knew no time
    files: tuple[File, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Gap:
    """Something was not recorded. Written when it begins, with `to_us` 0, and when it ends, with the same `from_us`."""

    KIND: ClassVar = 4
    groups: tuple[Group, ...]
    from_us: int
    to_us: int
    reason: GapReason
    lost: int  # datagrams
    station: int  # that paused it; 0 if none did


@dataclasses.dataclass(frozen=True, slots=True)
class Close:
    """The session ended."""

    KIND: ClassVar = 6
    reason: CloseReason


@dataclasses.dataclass(frozen=True, slots=True)
class Armed:
    """The autopilot was armed or disarmed."""

    KIND: ClassVar = 8
    mono_us: int
    armed: bool


Leaf: TypeAlias = Open | Recording | Cut | Gap | Close | Armed


def encode(leaf: Leaf) -> bytes:
    """Deterministic CBOR."""
    values = [leaf.KIND, *(_plain(getattr(leaf, field.name)) for field in dataclasses.fields(leaf))]
    return cose.dumps(dict(enumerate(values, 1)))


def read(data: bytes) -> list[Leaf]:
    """The leaves of leaves.cbor, up to the first byte that is none: zeros, or what a power cut left."""
    return [leaf for leaf, _ in scan(data)]


def scan(data: bytes) -> Iterator[tuple[Leaf, int]]:
    """The same, each with the offset behind it."""
    for value, end in sequence.items(data):
        try:
            leaf = _leaf(value)
        except (KeysError, ValueError):
            return
        yield leaf, end


def _plain(value: object) -> object:
    if isinstance(value, File):
        value = dataclasses.astuple(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, int) else value  # an Enum, and armed, are integers


# --- the forms ---

_GROUP = fields.between(min(Group), max(Group))
_FILE = (_GROUP, fields.byte_string(REC_ID_SIZE), fields.U64, fields.U64, fields.byte_string(HASH_SIZE))


def _is_file(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == len(_FILE)
        and all(check(part) for check, part in zip(_FILE, value, strict=True))
    )


_FORMS: Mapping[int, tuple[fields.Check, ...]] = {
    Open.KIND: (fields.byte_string(ORDER_HASH_SIZE), fields.text(SOFTWARE_MAX), lambda value: value is None),
    Recording.KIND: (fields.byte_string(REC_ID_SIZE), fields.byte_string(HASH_SIZE)),
    Cut.KIND: (fields.U64, fields.U64, fields.U64, fields.listing(_is_file, FILES_MAX, 1)),
    Gap.KIND: (
        fields.listing(_GROUP, GROUPS_MAX, 1),
        fields.U64,
        fields.U64,
        fields.between(min(GapReason), max(GapReason)),
        fields.U64,
        fields.STATION,
    ),
    Close.KIND: (fields.between(min(CloseReason), max(CloseReason)),),
    Armed.KIND: (fields.U64, fields.between(0, 1)),
}


def _leaf(value: object) -> Leaf:
    """KeysError or ValueError for what is none."""
    kind = value.get(1) if isinstance(value, dict) else None
    if type(kind) is not int or kind not in _FORMS:
        raise ValueError("no leaf of this version")
    forms = dict(enumerate((fields.anything, *_FORMS[kind]), 1))
    _, *parts = fields.read_map(value, "a leaf", forms)
    if kind == Open.KIND:
        return Open(*parts)
    if kind == Recording.KIND:
        return Recording(*parts)
    if kind == Cut.KIND:
        start, end, utc, files = parts
        return Cut(start, end, utc, tuple(File(Group(group), *rest) for group, *rest in files))
    if kind == Gap.KIND:
        groups, start, end, reason, lost, station = parts
        return Gap(tuple(map(Group, groups)), start, end, GapReason(reason), lost, station)
    if kind == Close.KIND:
        return Close(CloseReason(parts[0]))
    return Armed(parts[0], bool(parts[1]))
