"""MAVLink by length: where frames begin and end, and the few fields that must be read in them.

What lives here: the framer for byte streams and datagrams, `split` for the plaintext of a bundle, the sender of a frame.
What must not: dialects, message parsers, policies. Frames pass byte for byte, known or not, so there is no table of
CRC_EXTRA: a checksum is as good if it fits for any value of that byte.

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
_HEAD = 3  # the bytes that give the length; no frame is shorter

_STEPS = {
    mcrf4xx(bytes([byte]), 0): byte for byte in range(256)
}  # the contribution of one byte to a checksum, and the byte


class Framer:
    """Cuts a mixed MAVLink 1 and 2 stream of one sender into frames, whatever the boundaries of reads or datagrams.

    A frame is delivered as soon as it is complete if its checksum fits for one of the 256 values of CRC_EXTRA: unknown
    messages fit as well, and noise fits once in 256. The check is omitted in the middle of a run, where the previous frame,
    this one and the start of the next one are adjacent and name one sender. Otherwise the first byte of a candidate is
    skipped as noise and the bytes after it are checked, because its false length may cover real frames. An incomplete
    candidate waits for its end, which takes at most the 280 bytes of one frame.

    `frames`         frames delivered
    `skipped_bytes`  noise: bytes that were not part of a delivered frame
    `incomplete`     truncated frames: the line was closed, or a whole frame replaced them
    """

    __slots__ = ("_behind", "_rest", "frames", "incomplete", "skipped_bytes")

    def __init__(self) -> None:
        self.frames = 0
        self.skipped_bytes = 0
        self.incomplete = 0
        self._rest = b""
        self._behind = b""  # the sender of the frame that ended where `_rest` begins; empty after noise

    @property
    def waiting(self) -> bool:
        """Whether a frame has begun."""
        return bool(self._rest)

    def feed(self, data: bytes | memoryview) -> list[bytes]:
        """The frames that `data`, the next bytes of a stream, completes, in order."""
        return self._take(self._rest + data, quiet=False)

    def datagrams(self, datagrams: Iterable[bytes]) -> list[bytes]:
        """The frames that these complete, in order. A bridge that does not know MAVLink may split frames anywhere."""
        frames: list[bytes] = []
        for data in datagrams:
            if self._is_frame(data):
                self.frames += 1  # the usual case: one frame, which begins and ends with it
                frames.append(data)
            else:
                frames += self.feed(data)
        return frames

    def _is_frame(self, data: bytes) -> bool:
        """Whether a datagram is one frame. If one has begun before, this may be a piece of it: the checksum decides."""
        if len(data) < _HEAD or data[0] not in STARTS or frame_size(data, 0) != len(data):
            return False
        if not self._rest:
            return True
        if _checksum_fits(data):
            self.reset()
            return True
        return False

    def end_of_burst(self) -> list[bytes]:
        """The line has been quiet for 5 ms: deliver frames that only this confirms. Cheap if nothing waits.

        A frame interrupted by the pause is kept (USB adapters pause inside frames), but replaced by a later, complete one
        whose checksum and end both fit: the flight controller was reset, or the start byte was noise.
        """
        return self._take(self._rest, quiet=True) if self._rest else []

    def reset(self) -> None:
        """The line was closed: an unfinished frame will not be completed."""
        self._behind = b""
        if self._rest:
            self.incomplete += 1
            self.skipped_bytes += len(self._rest)
            self._rest = b""

    def _take(self, data: bytes, quiet: bool) -> list[bytes]:
        frames: list[bytes] = []
        at, end = 0, len(data)
        done, noise, kept = 0, 0, -1  # the end of the last frame; before it; the first candidate that is incomplete
        while at < end:
            if self._behind:
                at = done = _run(data, at, self._behind, frames)
            if data[at] not in STARTS:
                self._behind = b""
                found = _START.search(data, at)
                at = found.start() if found else end
                continue
            stop = at + frame_size(data, at)
            if stop > end and not quiet:
                break
            if stop <= end and _checksum_fits(data[at:stop]) and (kept < 0 or stop == end or data[stop] in STARTS):
                frames.append(data[at:stop])
                self._behind = _sender(data, at)
                noise += at - done
                kept, at = -1, stop
                done = stop
                continue
            if stop > end and kept < 0:
                kept = at
            self._behind = b""
            at += 1
        rest = at if kept < 0 else kept
        self._rest = data[rest:]
        self.frames += len(frames)
        self.skipped_bytes += noise + rest - done
        return frames


def split(payload: bytes | memoryview) -> list[tuple[int, int]]:
    """(offset, length) of each whole frame of `payload`; zeros may follow the last.

    For opened bundles. ValueError if it holds anything else.
    """
    spans, at, end = [], 0, len(payload)
    while at < end and payload[at] in STARTS:
        size = frame_size(payload, at)
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


def is_signed(frame: bytes | memoryview) -> bool:
    """Whether a whole frame has a signature."""
    return frame[0] == V2 and bool(frame[2] & SIGNED)


def unsigned(frame: bytes) -> bytes:
    """The frame without its signature. Its checksum covers the flag that says so, and is computed again.

    CRC_EXTRA is the one with which the old checksum fits, so this is right for unknown messages too; a checksum that fits
    with none stays as wrong as it is.
    """
    if not is_signed(frame):
        return frame
    stop = V2_HEADER + frame[1]
    body = frame[1:2] + bytes([frame[2] & ~SIGNED]) + frame[3:stop]
    before = mcrf4xx(frame[1:stop], 0xFFFF)
    checksum = int.from_bytes(frame[stop : stop + CHECKSUM_SIZE], "little")
    step = _STEPS.get(checksum ^ before >> 8)
    if step is not None:
        checksum = mcrf4xx(bytes([step ^ before & 0xFF]), mcrf4xx(body, 0xFFFF))
    return frame[:1] + body + checksum.to_bytes(CHECKSUM_SIZE, "little")


def _sender(data: bytes, at: int) -> bytes:
    """sysid and compid of the frame that starts at `at`."""
    begin = at + (5 if data[at] == V2 else 3)
    return data[begin : begin + 2]


def message_id(frame: bytes | memoryview) -> int:
    """The message id of a whole frame."""
    return int.from_bytes(frame[7:10], "little") if frame[0] == V2 else frame[5]


def payload(frame: bytes | memoryview) -> bytes:
    """The payload of a whole frame. MAVLink 2 omits zeros at its end."""
    begin = V2_HEADER if frame[0] == V2 else V1_HEADER
    return bytes(frame[begin : begin + frame[1]])


def _run(data: bytes, at: int, sender: bytes, frames: list[bytes]) -> int:
    """Append to `frames` those of MAVLink 2 from `at` on, as long as another one of `sender` begins where each ends.

    The result is the begin of the first frame of which this is not true.
    """
    system, component = sender
    last = len(data) - V2_HEADER
    if at > last or data[at] != V2 or data[at + 5] != system or data[at + 6] != component:
        return at
    while True:
        stop = at + V2_HEADER + data[at + 1] + CHECKSUM_SIZE
        if data[at + 2] & SIGNED:
            stop += SIGNATURE_SIZE
        if stop > last or data[stop] != V2 or data[stop + 5] != system or data[stop + 6] != component:
            return at
        frames.append(data[at:stop])
        at = stop


def frame_size(data: bytes | memoryview, at: int) -> int:
    """Length of the frame that starts at `at`, or more than the present bytes if its head is incomplete."""
    if len(data) - at < _HEAD:
        return _HEAD
    if data[at] == V1:
        return V1_HEADER + data[at + 1] + CHECKSUM_SIZE
    return V2_HEADER + data[at + 1] + CHECKSUM_SIZE + (SIGNATURE_SIZE if data[at + 2] & SIGNED else 0)


def _checksum_fits(frame: bytes) -> bool:
    """Whether some CRC_EXTRA makes the checksum right: the CRC's last step is before >> 8 ^ STEP[before ^ CRC_EXTRA]."""
    header = V2_HEADER if frame[0] == V2 else V1_HEADER
    stop = header + frame[1]
    checksum = int.from_bytes(frame[stop : stop + CHECKSUM_SIZE], "little")
    return checksum ^ mcrf4xx(frame[1:stop], 0xFFFF) >> 8 in _STEPS
