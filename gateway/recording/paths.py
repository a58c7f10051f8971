"""Paths: the names of the folders and files of a recording. SPEC.md section 8."""

from __future__ import annotations

import re
from pathlib import Path

ORDER, STATEMENT, HEADERS, LEAVES, HEADER = "order.cose", "ss.cose", "headers.cbor", "leaves.cbor", "header.cose"
_SESSION = re.compile(r"session-([0-9a-f]{32})")
_RECORDING = re.compile(r"rec-([0-9a-f]{32})")
_SEGMENT = re.compile(r"([0-9]{8,})\.cbl")


def session(folder: Path, session_id: bytes) -> Path:
    return folder / f"session-{session_id.hex()}"


def recording(session_folder: Path, rec_id: bytes) -> Path:
    return session_folder / f"rec-{rec_id.hex()}"


def segment(recording_folder: Path, index: int) -> Path:
    return recording_folder / f"{index:08d}.cbl"


def session_id(name: str) -> bytes | None:
    """The id in the name of a session's folder; None for any other name."""
    return bytes.fromhex(found[1]) if (found := _SESSION.fullmatch(name)) else None


def rec_id(name: str) -> bytes | None:
    """The id in the name of a recording's folder; None for any other name."""
    return bytes.fromhex(found[1]) if (found := _RECORDING.fullmatch(name)) else None


def index(name: str) -> int | None:
    """The place of a segment, by its name; None for any other name."""
    found = _SEGMENT.fullmatch(name)
    return int(found[1]) if found and name == f"{int(found[1]):08d}.cbl" else None
