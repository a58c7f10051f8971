"""Allowance: how many bytes of one source may be read now, so that it leaves time to the others.

What lives here: the count. What must not: what is read.
"""

from __future__ import annotations

from gateway import clock

STREAM_PER_S = 8 << 20  # bytes; four times the largest video here
AGAIN_S = 0.05  # until it is looked at again, when it is used up


class Allowance:
    """`per_s` bytes a second; a burst may be as much as comes in one second."""

    def __init__(self, per_s: int) -> None:
        self._per_s = per_s
        self._left, self._at = float(per_s), clock.now()

    def is_left(self) -> bool:
        now = clock.now()
        self._left = min(self._per_s, self._left + (now - self._at) * self._per_s)
        self._at = now
        return self._left > 0

    def use(self, size: int) -> None:
        self._left -= size
