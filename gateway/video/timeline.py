"""Timeline: when pictures are shown and decoded, from the timestamps that they came with and the times when they came.

What lives here: pure functions of numbers. A tick is 1/90,000 s. What must not: pictures.

Timestamps are exact but begin anywhere (RFC 3550 section 5.1), begin again with an encoder that starts again, and stand
still over a pause. So they count from the arrival of a picture, for as long as they agree with the arrival of the others.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator

from gateway.video import rtp

TOLERANCE = rtp.CLOCK_HZ // 2  # ticks between what the timestamps say and the arrival: more than jitter, less than a pause
REORDERED_MAX = 16  # pictures that a decoder holds back at most (H.264 section A.3.1, H.265 section A.4.2)


def ticks(time_ns: int) -> int:
    return time_ns * rtp.CLOCK_HZ // 1_000_000_000


class Timeline:
    """Of one stream. `modulus`: how many timestamps there are, those of RTP or of MPEG-TS.

    `restarts`  how often the timestamps had to be tied to the arrival again
    """

    def __init__(self, modulus: int = rtp.TIMESTAMPS) -> None:
        self.restarts = 0
        self._modulus = modulus
        self._last: tuple[int, int] | None = None  # a timestamp, and its tick

    def shown(self, timestamp: int, arrived: int) -> int:
        """The tick at which a picture is shown; `arrived`: the tick of its first packet."""
        if self._last is not None:
            before, at = self._last
            half = self._modulus // 2
            tick = at + (timestamp - before + half) % self._modulus - half
            if abs(tick - arrived) <= TOLERANCE:
                self._last = timestamp, tick
                return tick
            self.restarts += 1
        self._last = timestamp, arrived
        return arrived


def decoded(shown: Iterable[int]) -> Iterator[tuple[int, int]]:
    """(decoding tick, shown tick) of each picture, in decoding order; the first of the two always grows.

    Decoding ticks are the shown ones, sorted. A picture that is shown before others that precede it here (B) has the later
    decoding tick: the caller adds to all shown ticks what the largest difference is.
    """
    waiting: deque[int] = deque()
    ahead: list[int] = []
    last: int | None = None
    for tick in _and_the_end(shown):
        if tick is not None:
            waiting.append(tick)
            heapq.heappush(ahead, tick)
        while len(ahead) > (REORDERED_MAX if tick is not None else 0):
            smallest = heapq.heappop(ahead)
            last = smallest if last is None else max(smallest, last + 1)
            yield last, waiting.popleft()


def _and_the_end(shown: Iterable[int]) -> Iterator[int | None]:
    yield from shown
    yield None
