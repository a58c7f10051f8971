"""Age: how long what an endpoint hands over has waited in its socket or line. It counts from arrival, not from reading.

A process that stood still (a stopped terminal, a closed lid, a board that swaps) must not pass on as fresh what waited
for it meanwhile. Nothing is older than the last read that found the end of what waits, and as long as that is a moment
ago there is nothing more to know. Else the system's stamps tell (stamps.py), by the clock that people set. Where that one
was set while the datagram waited, or there is no stamp (a serial line, TCP, other systems), nothing tells how old it is,
only how old it can be: a frame then counts as that old, and a beat as come when it was read.
"""

from __future__ import annotations

import time
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from gateway import clock
from gateway.batch import AGED_S

STEP_S = 0.05  # the clock that people set has moved against the other one by more: it was set
COMPARE_EVERY_S = 0.5  # the two clocks, while nothing waits
STAMPS_AFTER_S = 0.5  # from the opening of a socket on: the system begins to stamp in its own time, and says nothing
STOOD_STILL_S = 0.5  # between two reads, which are never so far apart while the loop turns
SETTLE_S = 0.1  # a line hands over what has gathered in pieces: so long after a standstill it is not empty for certain

Ages: TypeAlias = npt.NDArray[np.float64]


class Age:
    """Of one socket or line. `begin` before each read, then `waited` if it brought something, else `empty`."""

    __slots__ = ("_began", "_compared_at", "_offset", "_settles_at", "_since", "_stamped_from")

    def __init__(self, since: float | None = None) -> None:
        """`since`: when nothing can have come yet, on `clock.now`; if it is not told, now."""
        self._began = self._since = clock.now() if since is None else since
        self._settles_at = 0.0
        self._stamped_from = self._since + STAMPS_AFTER_S
        self._compare()

    def begin(self) -> bool:
        """Whether the read needs stamps to know how old is what it finds."""
        began = clock.now()
        if began - self._began > STOOD_STILL_S:
            self._settles_at = began + SETTLE_S
        self._began = began
        return began - self._since >= AGED_S

    def waited(self, stamps: Ages | None, *, emptied: bool) -> tuple[float, Ages | None, Ages | None]:
        """For how many seconds what was just read had waited: the oldest at most, each at most, and each for certain.

        `stamps`: Unix seconds, as they came. `emptied`: the read left nothing behind.
        """
        now = clock.now()
        oldest, ages, sure = now - self._since, None, None
        if stamps is not None and (told := self._by_stamps(stamps, now, oldest)) is not None:
            ages, sure = told
            oldest = float(ages.max())
        if emptied:
            self.empty()
        elif ages is not None:
            self._since = now - oldest  # what is left came later than what was read
        return oldest, ages, sure

    def _by_stamps(self, stamps: Ages, now: float, most: float) -> tuple[Ages, Ages] | None:
        """Each at most, and for certain; None if the stamps do not fit: a clock was set.

        What came before the system began to stamp stands in front, and has the stamp of its reading.
        """
        read_at = time.time()
        sure = read_at - stamps
        if sure.min() < 0 or sure.max() > most or abs(read_at - now - self._offset) > STEP_S:
            return None
        if self._since >= self._stamped_from:
            return sure, sure
        unstamped = ~np.logical_or.accumulate(sure > now - self._began)
        return np.where(unstamped, most, sure), np.where(unstamped, 0.0, sure)

    def empty(self) -> None:
        """The read left nothing behind."""
        if self._began >= self._settles_at:
            self._since = self._began
            if self._began - self._compared_at > COMPARE_EVERY_S:
                self._compare()

    def _compare(self) -> None:
        self._compared_at = clock.now()
        self._offset = time.time() - self._compared_at
