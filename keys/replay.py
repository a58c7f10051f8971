"""Replay window (RFC 3711 section 3.3.2), checked and moved a batch at a time.

The two steps are separate on purpose: `look` before the AEAD, `accept` only with counters whose tag verified. A window
that moves before the tag can be pushed to its end by anyone.
"""

from __future__ import annotations

from array import array

import numpy as np
import numpy.typing as npt

DOWNLINK_WINDOW = 131_072
UPLINK_WINDOW = 1_024
FEW = 16  # up to so many counters, a loop of Python costs less than NumPy

Counters = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class ReplayWindow:
    """Which of the newest `size` counters of one KID have been accepted. `size` is a power of two.

    `highest` holds the highest counter accepted, and `seen` a byte for each slot. These are the single place: code in C
    (gateway/native) accepts the counter after the highest one by writing there.
    """

    __slots__ = ("_floor", "_mask", "_seen_at", "highest", "seen", "size")

    def __init__(self, size: int = DOWNLINK_WINDOW, start: int = 0) -> None:
        """Counters below `start` are too old."""
        if size & (size - 1):
            raise ValueError("the size of a replay window is a power of two")
        self.size = size
        self.highest = array("q", [start - 1])
        self._floor = start  # lower counters are too old
        self._mask = size - 1
        self._seen_at = bytearray(size)
        self.seen = np.frombuffer(self._seen_at, np.bool_)  # the same memory

    @property
    def top(self) -> int:
        """The highest counter accepted."""
        return self.highest[0]

    @top.setter
    def top(self, ctr: int) -> None:
        self.highest[0] = ctr

    def begin(self, counter: int) -> None:
        """From now on, counters below `counter` are too old; the window never goes back."""
        self._floor = max(self._floor, counter)
        self._advance(counter - 1)

    def follows(self, counters: Counters) -> bool:
        """Whether the counters rise and the first is above all so far: counters in order need no check."""
        first, last = int(counters[0]), int(counters[-1])
        if first <= self.top or last - first >= self.size:
            return False
        return counters.size == 1 or np.count_nonzero(counters[1:] > counters[:-1]) == counters.size - 1

    def extend(self, first: int, count: int) -> None:
        """Mark `count` consecutive counters from `first` on, all above `top`, whose tags verified."""
        if first == self.top + 1 and count <= FEW:
            for counter in range(first, first + count):
                self._seen_at[counter & self._mask] = True
            self.top += count
            return
        self._advance(first - 1)
        self.top = first + count - 1
        begin, end = first & self._mask, (first + count) & self._mask
        if begin < end:
            self.seen[begin:end] = True
        else:
            self.seen[begin:] = True
            self.seen[:end] = True

    def look(self, counters: Counters) -> tuple[Mask, Mask]:
        """(too old, already seen), two masks of the shape of `counters`. Moves nothing."""
        age = self.top - counters
        too_old = (age >= self.size) | (counters < self._floor)
        seen = (age >= 0) & ~too_old & self.seen[counters & self._mask]
        return too_old, seen

    def accept(self, counters: Counters) -> Mask:
        """Mark counters whose tags verified; the mask says which are new, the first of equal ones only."""
        if not counters.size:
            return np.zeros(0, np.bool_)
        if self.follows(counters):
            self._advance(int(counters[-1]))
            self.seen[counters & self._mask] = True
            return np.ones(counters.size, np.bool_)
        self._advance(int(counters.max()))
        slots = counters & self._mask
        fresh: Mask = (self.top - counters < self.size) & (counters >= self._floor) & ~self.seen[slots]
        if counters.size > 1 and not (counters[1:] > counters[:-1]).all():
            first = np.zeros(counters.size, np.bool_)
            first[np.unique(counters, return_index=True)[1]] = True
            fresh &= first
        self.seen[slots[fresh]] = True
        return fresh

    def _advance(self, top: int) -> None:
        """Counters between the old top and the new one have not been seen: clear their slots."""
        if top <= self.top:
            return
        if top - self.top >= self.size:
            self.seen[:] = False
        else:
            begin, end = (self.top + 1) & self._mask, (top + 1) & self._mask
            if begin < end:
                self.seen[begin:end] = False
            else:
                self.seen[begin:] = False
                self.seen[:end] = False
        self.top = top
