"""Telemetry logs (.tlog) of ground control stations: for each frame 8 bytes of microseconds, big-endian, and the frame.

What must not live here: what the frames mean.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from firmware_shims import mavlink

_TIME = struct.Struct(">Q")  # since 1970


class TlogError(ValueError):
    """Bytes that are no telemetry log."""


def frames(data: bytes) -> Iterator[tuple[float, bytes]]:
    """(seconds since 1970, a whole frame) of each; the last may be cut off. TlogError if no frame follows a time."""
    at, end = 0, len(data)
    while at < end:
        begin = at + _TIME.size
        if begin < end and data[begin] not in mavlink.STARTS:
            raise TlogError(f"no MAVLink frame begins at byte {begin}")
        stop = begin + mavlink.frame_size(data, begin)
        if stop > end:
            return
        yield _TIME.unpack_from(data, at)[0] / 1e6, data[begin:stop]
        at = stop


def entry(time_us: int, frame: bytes) -> bytes:
    """One frame as a log has it."""
    return _TIME.pack(time_us) + frame
