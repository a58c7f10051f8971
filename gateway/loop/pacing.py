"""Pacing: whether what comes fast is let gather, so that one turn of a loop serves much of it.

To wake up costs a process far more than one datagram more: caches are cold, and a turn costs hardly more for many. Where
few come in the time that they may wait there is nothing to gain, and each goes on at once; else their endpoint rests for
that time after it was read to its end, and what came meanwhile is read in one go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from gateway.endpoints import Endpoint
from gateway.loop.poller import Poller

# (seconds to rest, how many must come in that time to be worth it), the longest last.
Steps: TypeAlias = Sequence[tuple[float, int]]
# From 4,000, 20,000 and 50,000 a second on. Video of 20 Mbit/s has 2,000 datagrams a second: it never waits.
DATAGRAMS: Steps = ((0.000_5, 2), (0.001, 20), (0.002, 100))


def frames(flush_s: float) -> Steps:
    """For frames that may wait for company so long."""
    return ((flush_s, 2),)


class Pace:
    """Of the endpoints of one loop."""

    def __init__(self, poller: Poller, steps: Mapping[Endpoint, Steps]) -> None:
        self._poller, self._steps = poller, steps
        self._counts: Counter[Endpoint] = Counter()
        self._rests_s: dict[Endpoint, float] = {}
        self._since = 0.0

    def count(self, endpoint: Endpoint, units: int, now: float, *, more: bool) -> None:
        """`endpoint` gave so many datagrams or frames, and has `more` at hand: then there is nothing to wait for."""
        self._counts[endpoint] += units
        if not more and endpoint in self._rests_s:
            self._poller.defer(endpoint, now + self._rests_s[endpoint])

    def tick(self, now: float) -> None:
        """See how fast each of them is; to be called some ten times a second."""
        seconds, self._since = now - self._since, now
        self._rests_s = {
            endpoint: rest_s
            for endpoint, count in self._counts.items()
            for rest_s, least in self._steps[endpoint]
            if count * rest_s >= least * seconds
        }
        self._counts.clear()
