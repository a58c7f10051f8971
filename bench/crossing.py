"""Crossing: up to how many datagrams a loop of Python costs less than NumPy's calls, on this board.

What lives here: the measurement, in memory, of the data path in batches of a few datagrams. What must not: the choice
(bench.measures.tune).
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from bench.pair import Pair, arrived
from gateway.batch import CAPACITY, Batch
from keys.lanes import Lane

SIZE = 1200  # bytes of a datagram
COUNTS = (1, 2, 4, 6, 8, 10, 12, 16, 20, 24, 32, 48, CAPACITY)


class Path:
    """The data path of one aircraft and one station, with batches that take the loop up to `few` datagrams."""

    def __init__(self, few: int) -> None:
        self._pair = Pair()
        self._above, self._below, self._copy = (Batch(CAPACITY, few) for _ in range(3))

    def seconds(self, count: int) -> float:
        """CPU time to seal, open and copy one batch of `count`."""
        above, below = self._above, self._below
        above.hold([bytes(SIZE)] * count)
        began = time.thread_time()
        self._pair.seal(Lane.VIDEO_A, above)
        sealed = time.thread_time()
        arrived(above, below)
        opens = time.thread_time()
        self._pair.opener.open(below, self._pair.now)
        self._copy.copy_from(below, range(count))
        return sealed - began + time.thread_time() - opens


def crossing(rounds: int, counts: Sequence[int] = COUNTS) -> int:
    """The largest of `counts` up to which the loop was the faster one, by the fastest of `rounds` in turn; 0 if never."""
    loop, numpy = Path(CAPACITY), Path(0)
    reached = 0
    for count in counts:
        pairs = [(loop.seconds(count), numpy.seconds(count)) for _ in range(rounds)]
        by_loop, by_numpy = (min(side) for side in zip(*pairs, strict=True))
        if by_loop > by_numpy:
            break
        reached = count
    return reached
