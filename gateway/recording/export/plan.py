"""Plan: what one export is to hold, and what is known of it: the file `.export.json` in the folder while it is made.

What lives here: its form, and the names of an export's files. What must not: a key.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import BinaryIO

import msgspec

NAME = ".export.json"
PRIVATE = 0o600
PART = ".part"  # behind the name of a file that is not complete


class Asked(msgspec.Struct, frozen=True):
    """What was asked for. An interrupted export goes on only if it is the same."""

    session: str  # its id, in hexadecimal
    lanes: list[str]
    from_ns: int | None  # since the session began
    to_ns: int | None
    sdp: str  # the text of the file; empty if there is none


class Gap(msgspec.Struct, frozen=True):
    """A time in which something was not recorded; `to_us` is 0 if it did not end."""

    lanes: list[str]
    from_us: int
    to_us: int
    why: str
    lost: int


class Original(msgspec.Struct):
    """One pcap. `sets`: parameter sets that were recorded before its beginning, and are needed in it."""

    records: int = 0
    from_ns: int | None = None  # of its first record, and of its last
    to_ns: int | None = None
    moved_back: bool = False  # it begins before the time that was asked for, with a key picture
    sets: list[bytes] = []
    damage: list[str] = []  # sentences


class Lead(msgspec.Struct, frozen=True):
    """What precedes a time. `key_ns`: when the first datagram of the last key picture came; `sets`: parameter sets."""

    key_ns: int | None = None
    sets: list[bytes] = []


class Plan(msgspec.Struct):
    asked: Asked
    version: str  # of this program
    facts: dict[str, str]  # of the session: what, and its value
    claims: list[tuple[int, int]]  # (mono_us, utc_us) as the aircraft claimed them
    gaps: list[Gap]
    others: list[str]  # sessions of the same card that are not in this export
    damage: list[str] = []  # of the log and the headers, in sentences
    aboard: bool = True  # recorded by the aircraft, and not by a station
    originals: dict[str, Original] = {}  # by lane; those that are complete

    def store(self, folder: Path) -> None:
        replace(folder / NAME, msgspec.json.encode(self))


def load(folder: Path) -> Plan | None:
    """None if no export is unfinished there."""
    try:
        return msgspec.json.decode((folder / NAME).read_bytes(), type=Plan)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def foreign(folder: Path, asked: Asked) -> str:
    """The name of something in the folder that no such export makes; empty if there is none."""
    of_lane = f"({'|'.join(map(re.escape, asked.lanes))})"
    of_flight = r"flight\.tlog|track\.(gpx|kml)|events\.jsonl|README\.txt|SHA256SUMS"
    ours = rf"({re.escape(NAME)}|{of_flight}|{of_lane}\.(pcap|h264|h265|ts|mp4|srt))({re.escape(PART)})?"
    work = rf"\.{of_lane}\.(pictures|index){re.escape(PART)}"
    return next((path.name for path in folder.iterdir() if not re.fullmatch(f"{ours}|{work}", path.name)), "")


def create(path: Path) -> BinaryIO:
    """A new private file in place of an older one, and never through a link."""
    path.unlink(missing_ok=True)
    return open(path, "xb", opener=lambda name, flags: os.open(name, flags, PRIVATE))


def replace(path: Path, data: bytes) -> None:
    """Either all of it is there, or nothing new."""
    part = path.with_name(path.name + PART)
    with create(part) as file:
        file.write(data)
    part.replace(path)
