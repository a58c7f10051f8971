"""MAVLink by length: where frames begin and end, and the little that must be read inside them.

What lives here: the framer for byte streams and datagrams, `split` for the plaintext of a bundle, the sender of a frame.
What must not: dialects, message parsers, policies. Frames pass byte for byte, known or not, so there is no table of
CRC_EXTRA and nothing here is ever dropped for a checksum once the stream is in step.

    MAVLink 1   FE len seq sysid compid msgid              payload crc(2)                  8 + len
    MAVLink 2   FD len incompat compat seq sysid compid msgid(3) payload crc(2) [signature(13)]   12 + len (+ 13)

Source: mavlink.io/en/guide/serialization.html; the checksum is CRC-16/MCRF4XX over everything between the start byte
and the checksum, and then over one byte, CRC_EXTRA, that depends on the message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from fastcrc.crc16 import mcrf4xx

V1, V2 = 0xFE, 0xFD
V1_HEADER, V2_HEADER = 6, 10
CHECKSUM_SIZE = 2
SIGNATURE_SIZE = 13
SIGNED = 0x01  # incompat_flags
FRAME_MAX = V2_HEADER + 255 + CHECKSUM_SIZE + SIGNATURE_SIZE  # 280 bytes

STARTS = b"\xfd\xfe"
_START = re.compile(rb"[\xfd\xfe]")
_HEAD = 3  # the bytes that tell the length; no frame is shorter

_STEPS = frozenset(mcrf4xx(bytes([byte]), 0) for byte in range(256))  # what one byte can add to a checksum


class Framer:
    """Cuts a mixed MAVLink 1 and 2 stream into frames, by length.

    In step (a frame just ended here) the next frame is delivered the moment it is complete, even if its message is
    unknown or its checksum wrong: what to make of it is the receiver's business. Out of step (at the start, after
    noise, after a pause inside a frame) a start byte may be noise whose false length would swallow real frames, so a
    candidate is delivered only if
      - the byte behind it is again a start byte, or
      - its checksum fits for one of the 256 values of CRC_EXTRA (noise does so once in 256), or
      - it ends exactly where the line fell silent: the caller says so with `settle`.
    Otherwise its first byte is skipped as noise. Nothing waits for more than the 280 bytes of one frame.

    `frames`         frames delivered
    `skipped_bytes`  noise: bytes that were no part of a delivered frame
    `incomplete`     frames that were cut off, by the end of a datagram or by `reset`
    """

    __slots__ = ("_in_step", "_rest", "frames", "incomplete", "skipped_bytes")

    def __init__(self) -> None:
        self.frames = 0
        self.skipped_bytes = 0
        self.incomplete = 0
        self._rest = b""
        self._in_step = False

    def feed(self, data: bytes | memoryview) -> list[bytes]:
        """The frames that `data`, the next of a byte stream, completes, in order."""
        return self._take(self._rest + data, quiet=False)

    def datagrams(self, datagrams: Iterable[bytes]) -> list[bytes]:
        """The frames in these, in order. The end of each confirms a frame as silence does; nothing is carried over."""
        self.reset()
        frames: list[bytes] = []
        for data in datagrams:
            if len(data) >= _HEAD and data[0] in STARTS and _frame_size(data, 0) == len(data):
                self.frames += 1  # as nearly all: one frame, which begins and ends with it
                frames.append(data)
            else:
                frames += self._take(data, quiet=True)
                self.reset()
        return frames

    def end_of_burst(self) -> list[bytes]:
        """The line has been quiet for 5 ms: deliver what only that confirms. Cheap when nothing waits.

        A frame cut by the pause is kept (USB adapters pause inside frames) but gives way to a later, complete one
        whose checksum and end both fit: the flight controller was reset, or the start byte was noise.
        """
        if not self._rest:
            return []
        self._in_step = False
        return self._take(self._rest, quiet=True)

    def reset(self) -> None:
        """The line was closed: what has begun will not be finished."""
        self._in_step = False
        if self._rest:
            self.incomplete += 1
            self.skipped_bytes += len(self._rest)
            self._rest = b""

    def _take(self, data: bytes, quiet: bool) -> list[bytes]:
        frames: list[bytes] = []
        at, end, taken, kept = 0, len(data), 0, -1  # kept: the first candidate that is still incomplete
        while at < end:
            if data[at] not in STARTS:
                self._in_step = False
                found = _START.search(data, at)
                at = found.start() if found else end
                continue
            stop = at + _frame_size(data, at)
            if stop > end and (self._in_step or not quiet):
                break
            if stop <= end and (self._in_step or _confirmed(data, at, stop, quiet, strict=kept >= 0)):
                frames.append(data[at:stop])
                taken += stop - at
                self._in_step, kept, at = True, -1, stop
                continue
            if stop == end and not quiet:
                break
            if stop > end and kept < 0:
                kept = at
            at += 1
        self._rest = data[at if kept < 0 else kept :]
        self.frames += len(frames)
        self.skipped_bytes += end - taken - len(self._rest)
        return frames


def split(payload: bytes | memoryview) -> list[tuple[int, int]]:
    """(offset, length) of each of the whole frames that `payload` consists of; zeros may follow the last.

    For bundles after opening. ValueError if anything else is in there.
    """
    spans, at, end = [], 0, len(payload)
    while at < end and payload[at] in STARTS:
        size = _frame_size(payload, at)
        if at + size > end:
            raise ValueError(f"the bundle ends inside the frame at byte {at}")
        spans.append((at, size))
        at += size
    if bytes(payload[at:]).strip(b"\0"):
        raise ValueError(f"byte {at} of the bundle begins neither a frame nor the padding")
    return spans


def key(frame: bytes | memoryview) -> tuple[int, int, int]:
    """(sysid, compid, seq) of a whole frame: loss is a gap of seq within one (sysid, compid)."""
    if frame[0] == V2:
        return frame[5], frame[6], frame[4]
    return frame[3], frame[4], frame[2]


def message_id(frame: bytes | memoryview) -> int:
    """The message id of a whole frame."""
    return int.from_bytes(frame[7:10], "little") if frame[0] == V2 else frame[5]


def _frame_size(data: bytes | memoryview, at: int) -> int:
    """Length of the frame that starts at `at`, or at least more than there is if its head has not come yet."""
    if len(data) - at < _HEAD:
        return _HEAD
    if data[at] == V1:
        return V1_HEADER + data[at + 1] + CHECKSUM_SIZE
    return V2_HEADER + data[at + 1] + CHECKSUM_SIZE + (SIGNATURE_SIZE if data[at + 2] & SIGNED else 0)


def _confirmed(data: bytes, at: int, stop: int, quiet: bool, strict: bool) -> bool:
    """Whether a candidate found out of step is a frame; `strict`: by its end and its checksum, not just one of them."""
    end_fits = data[stop] in STARTS if stop < len(data) else quiet
    if end_fits != strict:
        return end_fits
    return _checksum_fits(data[at:stop])


def _checksum_fits(frame: bytes) -> bool:
    """Whether some CRC_EXTRA makes the checksum right: the CRC's last step is before >> 8 ^ STEP[before ^ CRC_EXTRA]."""
    header = V2_HEADER if frame[0] == V2 else V1_HEADER
    stop = header + frame[1]
    checksum = int.from_bytes(frame[stop : stop + CHECKSUM_SIZE], "little")
    return checksum ^ mcrf4xx(frame[1:stop], 0xFFFF) >> 8 in _STEPS
