"""Card speed: what a card takes, written as the recorder writes: some data, then a sync, again and again.

What lives here: the measurement, in a file of its own that it removes. It takes seconds, and must not run during a flight.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

PIECE = 1 << 20  # bytes: what a cut has at 2.8 Mbit/s
PIECES_MAX = 64
LASTS_S = 3.0
TRIAL = ".doctor.", ".tmp"


class Speed(NamedTuple):
    """`longest_sync_s`: of one sync."""

    bytes_per_s: float
    longest_sync_s: float


def measure(folder: Path, lasts_s: float = LASTS_S) -> Speed:
    """OSError if it cannot be written. At most PIECES_MAX pieces are written, and none is left behind."""
    remove_left_over(folder)
    handle, name = tempfile.mkstemp(dir=folder, prefix=TRIAL[0], suffix=TRIAL[1])
    try:
        return _measured(handle, lasts_s)
    finally:
        os.close(handle)
        Path(name).unlink(missing_ok=True)


def _measured(handle: int, lasts_s: float) -> Speed:
    piece = os.urandom(PIECE)  # some disks store zeros without writing them
    began = before = time.monotonic()
    longest, count = 0.0, 0
    while count < PIECES_MAX and (not count or before - began < lasts_s):
        _write_all(handle, piece)
        written = time.monotonic()
        os.fsync(handle)
        before = time.monotonic()
        longest = max(longest, before - written)
        count += 1
    return Speed(count * PIECE / max(before - began, 1e-6), longest)


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def remove_left_over(folder: Path) -> None:
    """Files of a measurement that was killed."""
    for left in folder.glob(f"{TRIAL[0]}*{TRIAL[1]}"):
        with contextlib.suppress(OSError):
            left.unlink()
