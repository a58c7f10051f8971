"""Pacing: whether fast datagrams may accumulate, so that one turn of a loop serves many of them (interrupt coalescing).

A wake-up costs far more than one more datagram: caches are cold, and a turn costs hardly more for many. If only few
arrive in the time that they may wait, nothing is gained, and each is served at once. Otherwise the endpoint rests for
that time after it was emptied, and the datagrams of this time are read together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from gateway.endpoints import Endpoint
from gateway.loop.poller import Poller

# (seconds to rest, the least number of datagrams in that time), the longest last.
Steps: TypeAlias = Sequence[tuple[float, int]]
# From 4,000, 20,000 and 50,000 a second on. Video of 20 Mbit/s has 2,000 datagrams a second: it never waits.
DATAGRAMS: Steps = ((0.000_5, 2), (0.001, 20), (0.002, 100))


def frames(flush_s: float) -> Steps:
    """The steps for frames that may wait this long for others."""
    return ((flush_s, 2),)


class Pace:
    """Pacing of the endpoints of one loop."""

    def __init__(self, poller: Poller, steps: Mapping[Endpoint, Steps]) -> None:
        self._poller, self._steps = poller, steps
        self._counts: Counter[Endpoint] = Counter()
        self._rests_s: dict[Endpoint, float] = {}
        self._since = 0.0

    def count(self, endpoint: Endpoint, units: int, now: float, *, more: bool) -> None:
        """`endpoint` gave this many datagrams or frames, and has `more`: then there is nothing to wait for."""
        self._counts[endpoint] += units
        if not more and endpoint in self._rests_s:
            self._poller.defer(endpoint, now + self._rests_s[endpoint])

    def tick(self, now: float) -> None:
        """Measure the rate of each; call it some ten times a second."""
        seconds, self._since = now - self._since, now
        self._rests_s = {
            endpoint: rest_s
            for endpoint, count in self._counts.items()
            for rest_s, least in self._steps[endpoint]
            if count * rest_s >= least * seconds
        }
        self._counts.clear()
