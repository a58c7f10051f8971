"""Tape: the clock of a recording, which says which items are due, at the recorded rate, again and again.

What lives here: times. What must not: the recorded data, and its receiver (flight.py, clip.py).
"""

from __future__ import annotations

from collections.abc import Sequence

PAUSE_S = 0.25  # without a call for this long, the tape stops, and continues from the same place


class Tape:
    """Items at `times` (seconds from the beginning, rising); after `length` seconds it starts again."""

    def __init__(self, times: Sequence[float], length: float) -> None:
        self.times, self.length = times, length
        self._at = 0.0  # seconds played
        self._asked = float("-inf")
        self._next = 0

    def due(self, now: float) -> range:
        """Numbers of the items that became due since the last call; `now` is the caller's monotonic clock.

        Numbers continue over the rounds: item `n` is `divmod(n, len(times))`, the round and the index in it.
        """
        step, self._asked = now - self._asked, now
        if step < PAUSE_S:
            self._at += step
        first = self._next
        while self._time(self._next) <= self._at:
            self._next += 1
        return range(first, self._next)

    def _time(self, number: int) -> float:
        done, place = divmod(number, len(self.times))
        return done * self.length + self.times[place]
