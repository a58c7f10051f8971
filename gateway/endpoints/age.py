"""Age: how long the data of an endpoint has waited in its socket or line. It counts from arrival, not from reading.

A process that stood still (a stopped terminal, a closed lid, a board that swaps) must not deliver as fresh the data that
waited meanwhile. Nothing is older than the last read that emptied the socket; if that read was a moment ago, no more
information is needed. Otherwise the system's timestamps (stamps.py) tell the age, by the clock that people set. If that
clock was set while the datagram waited, or there is no timestamp (a serial line, TCP, other systems), only the maximum age
is known: a frame then counts as that old, and a beat counts as arrived when it was read.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from gateway import clock
from gateway.batch import AGED_S

STEP_S = 0.05  # if the clock that people set moved by more against the other one, it was set
COMPARE_EVERY_S = 0.1  # of the two clocks, while nothing waits; less than AGED_S
STAMPS_AFTER_S = 0.5  # after the opening of a socket: the system begins to stamp at some time, without notice
STOOD_STILL_S = 0.5  # between two reads; while the loop runs, they are never so far apart
SETTLE_S = 0.1  # a line delivers accumulated data in pieces: for this time after a standstill it may not be empty

Ages: TypeAlias = npt.NDArray[np.float64]


class Age:
    """The age of one socket's or line's data. `begin` before each read, then `waited` if it returned data, else `empty`.

    `stamps_agree`: false since a clock was set, until timestamps agree with it again. Where they never do, read often.
    """

    __slots__ = ("_began", "_compared_at", "_offset", "_parts", "_settles_at", "_since", "_stamped_from", "stamps_agree")

    def __init__(self, since: float | None = None) -> None:
        """`since`: a time before any data arrived, on `clock.now`; by default now."""
        self._began = self._since = clock.now() if since is None else since
        self._parts: deque[tuple[int, float]] = deque()  # bytes of a stream that wait, and since when they can have come
        self._settles_at = 0.0
        self._stamped_from = self._since + STAMPS_AFTER_S
        self.stamps_agree = True
        self._compared_at = clock.now()
        self._offset = time.time() - self._compared_at

    @property
    def since(self) -> float:
        """Nothing that waits came before this time."""
        return self._since

    def was_read(self, since: float) -> None:
        """Code in C has read what waited; the last read that left nothing began at `since`."""
        if since > self._since:
            self._began = since
            self.empty()

    def begin(self, began: float | None = None) -> bool:
        """Whether the read needs timestamps, to know the age of its data or whether they agree.

        `began`: it was made already, after this time.
        """
        began = clock.now() if began is None else began
        if began - self._began > STOOD_STILL_S:
            self._settles_at = began + SETTLE_S
        self._began = began
        return began - self._since >= AGED_S or not self.stamps_agree

    def waited(self, stamps: Ages | None, *, emptied: bool) -> tuple[float, Ages | None, Ages | None]:
        """For how many seconds the data just read had waited: the oldest at most, each at most, and each for certain.

        `stamps`: Unix seconds, in order of arrival. `emptied`: the read left nothing.
        """
        now = clock.now()
        oldest, ages, sure = now - self._since, None, None
        if stamps is not None:
            told = self._by_stamps(stamps, now, oldest)
            self.stamps_agree = told is not None
            if told:
                ages, sure = told
                oldest = float(ages.max())
        if emptied:
            self.empty()
        elif ages is not None:
            self._since = now - oldest  # the remaining data came later than the data read
        return oldest, ages, sure

    def _by_stamps(self, stamps: Ages, now: float, most: float) -> tuple[Ages, Ages] | None:
        """Each at most, and for certain; None if the timestamps are inconsistent, because a clock was set.

        Data that came before the system began to stamp is first, and has the timestamp of its reading.
        """
        read_at = time.time()
        sure = read_at - stamps
        if sure.min() < 0 or sure.max() > most or abs(read_at - now - self._offset) > STEP_S:
            return None
        if self._since >= self._stamped_from:
            return sure, sure
        unstamped = ~np.logical_or.accumulate(sure > now - self._began)
        return np.where(unstamped, most, sure), np.where(unstamped, 0.0, sure)

    @property
    def in_parts(self) -> bool:
        """Whether bytes wait of which `took` has noted when they came."""
        return bool(self._parts)

    def took(self, octets: int, left: int) -> float:
        """Of a stream: a read took so many bytes and left so many. How long the oldest that it took can have waited.

        Bytes that were not there at the previous look came after it: the age of each part is known, even if reads are slow.
        """
        oldest = clock.now() - (self._parts[0][1] if self._parts else self._since)
        while self._parts and octets:
            size, since = self._parts.popleft()
            if size > octets:
                self._parts.appendleft((size - octets, since))
            octets -= min(size, octets)
        if (new := left - sum(size for size, _ in self._parts)) > 0:
            self._parts.append((new, self._since))
        self.empty()
        return oldest

    def empty(self) -> None:
        """The read left nothing."""
        if self._began >= self._settles_at:
            self._since = self._began
            if self._began - self._compared_at > COMPARE_EVERY_S:
                self._compare()

    def _compare(self) -> None:
        self._compared_at, before = clock.now(), self._offset
        self._offset = time.time() - self._compared_at
        if abs(self._offset - before) > STEP_S:
            self.stamps_agree = False
