"""Bundles: several MAVLink frames in one plaintext, and back. SPEC.md section 4.4.

The bundler decides how long a frame may wait for others; the sealer does not read the content. Frames are never
changed, cut or put in another order.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from gateway.batch import HEADROOM, Batch
from gateway.core.wire import DOWNLINK_OVERHEAD

FLUSH_S = 0.002  # the first frame of a bundle waits this long for others
FLUSH_MAX_S = 0.005
PADDING_ONLY_AFTER_S = 0.5  # a silent telemetry lane still shows that it is alive, and hides that the FC is silent
ANSWER_WITHIN_S = 0.05  # a frame so soon after a command may be its answer
DROP_AFTER_S = 1.0  # a frame that waited this long is late: a signed or timed one would do harm
FRAMES_MAX = 4096  # frames waiting; at 57,600 baud more than a minute's worth


class Bundler:
    """Frames in, bundles out. `limit` is the largest plaintext in bytes, `pad` the sizes that hide its length."""

    __slots__ = ("_answer_by", "_frames", "_last", "flush_s", "late", "limit", "pad", "waiting")

    def __init__(self, mtu: int, pad: tuple[int, ...], now: float, flush_s: float = FLUSH_S) -> None:
        self.limit = mtu - DOWNLINK_OVERHEAD
        self.repad(pad)
        self.flush_s = flush_s
        self.late = 0  # frames dropped because the link did not accept them in time
        self.waiting = 0  # bytes of the frames that wait
        self._frames: deque[tuple[float, bytes]] = deque()
        self._last = now  # when something was last sealed
        self._answer_by = now  # a frame that comes before this time does not wait for others

    def repad(self, pad: tuple[int, ...]) -> None:
        """From now on pad to these sizes, by a new order."""
        self.pad = tuple(size for size in sorted(pad) if size <= self.limit)

    def add(self, frames: list[bytes], now: float) -> None:
        self._frames.extend((now, frame) for frame in frames)
        self.waiting += sum(map(len, frames))
        while len(self._frames) > FRAMES_MAX:
            self._drop()

    def _drop(self) -> None:
        self.waiting -= len(self._frames.popleft()[1])
        self.late += 1

    def expect_answer(self, now: float) -> None:
        """A command went to the flight controller: the next frame is sent at once: a dialogue waits at each step."""
        self._answer_by = now + ANSWER_WITHIN_S

    def next_due(self) -> float:
        """When `bundle_into` should be called, on the caller's monotonic clock."""
        if not self._frames:
            return self._last + PADDING_ONLY_AFTER_S
        if self._frames[0][0] < self._answer_by:
            return self._frames[0][0]
        # Waiting is useful only if frames come close together: an answer after a silence goes at once.
        return max(self._frames[0][0], min(self._last, self._frames[0][0]) + self.flush_s)

    def bundle_into(self, batch: Batch, now: float, room: float = math.inf) -> None:
        """Append bundles until the frames or the slots run out; one of padding alone if nothing came for long.

        `room` is how many bytes of sealed bundles the link accepts: further frames wait. The result exceeds it by less
        than one bundle, and one frame is sent even if `room` is smaller.
        """
        while self._frames and now - self._frames[0][0] > DROP_AFTER_S:
            self._drop()
        if not self._frames and now - self._last >= PADDING_ONLY_AFTER_S:
            batch.append(padded(b"", self.pad))
        while self._frames and not batch.full and room > 0:
            bundle = padded(self._next_bundle(room), self.pad)
            room -= len(bundle) + DOWNLINK_OVERHEAD
            batch.append(bundle)
        if batch.count:
            self._last = self._answer_by = now

    def _next_bundle(self, room: float) -> bytes:
        """At least one frame; the room up to its pad size is filled with frames."""
        parts: list[bytes] = []
        size = 0
        wanted = min(self.limit, room - DOWNLINK_OVERHEAD)
        limit = next((size for size in self.pad if size >= wanted), wanted)
        while self._frames and (not parts or size + len(self._frames[0][1]) <= limit):
            frame = self._frames.popleft()[1]
            parts.append(frame)
            size += len(frame)
        self.waiting -= size
        return b"".join(parts)


def pack(frames: Sequence[bytes], limit: int) -> list[bytes]:
    """All `frames` at once, in as few bundles of at most `limit` bytes as their order allows."""
    bundles: list[bytearray] = []
    for frame in frames:
        if not bundles or len(bundles[-1]) + len(frame) > limit:
            bundles.append(bytearray())
        bundles[-1] += frame
    return [bytes(packed) for packed in bundles]


def padded(plain: bytes, pad: Sequence[int]) -> bytes:
    """Zeros up to the next of the rising `pad` sizes: 00 does not begin a MAVLink frame, so the end is unambiguous."""
    size = next((size for size in pad if size >= len(plain)), len(plain))
    return plain.ljust(size, b"\0")


def pad_video(datagram: bytes | memoryview, pad: tuple[int, ...], limit: int) -> bytes:
    """The datagram, 80, zeros to the next pad size (ISO/IEC 7816-4); used under the order's "pad video" flag."""
    marked = bytes(datagram) + b"\x80"
    size = next((size for size in sorted(pad) if len(marked) <= size <= limit), limit)
    return marked.ljust(size, b"\0")


def pad_videos(batch: Batch, pad: tuple[int, ...], limit: int) -> None:
    """`pad_video` for all datagrams of a batch whose slots begin at HEADROOM."""
    for index in range(batch.count):
        padded = pad_video(batch.view(index), pad, limit)
        batch.octets[index, HEADROOM : HEADROOM + len(padded)] = memoryview(padded)
        batch.lengths[index] = len(padded)


def video_length(padded: bytes | memoryview) -> int:
    """Length of the datagram inside `pad_video`'s result; ValueError if it does not have this padding."""
    bare = bytes(padded).rstrip(b"\0")
    if not bare.endswith(b"\x80"):
        raise ValueError("the padding of a video datagram is damaged")
    return len(bare) - 1
