"""Pacing: whether fast datagrams may accumulate, so that one turn of a loop serves many of them (interrupt coalescing).

A wake-up costs far more than one more datagram: caches are cold, and a turn costs hardly more for many. If only few
arrive in the time that they may wait, nothing is gained, and each is served at once. Otherwise the endpoint rests for
that time after it was emptied, and the datagrams of this time are read together.

A camera that delivers whole pictures has no need of it: a picture accumulates by itself, and a rest would only delay its
second half. Its reads come in few clusters a second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from gateway.endpoints import Endpoint
from gateway.loop.poller import Poller

# (from so many units a second on, seconds to rest), by rising rate.
Steps: TypeAlias = Sequence[tuple[float, float]]
# At 800 datagrams a second two or three come in 3 ms. From 16,000 on a shorter rest gathers half a batch, and in a longer
# one they might fill the system's buffer.
DATAGRAMS: Steps = ((800, 0.003), (16_000, 0.001), (50_000, 0.002))
CLUSTERS_PER_S = 80  # of reads; a camera that delivers whole pictures has as many as pictures
APART_S = 0.003  # a read after more time begins a cluster


def frames(flush_s: float) -> Steps:
    """The steps for frames that may wait this long for others."""
    return ((2 / flush_s, flush_s),) if flush_s else ()


class Pace:
    """Pacing of the endpoints of one loop."""

    def __init__(self, poller: Poller, steps: Mapping[Endpoint, Steps]) -> None:
        self._poller, self._steps = poller, steps
        self._counts: Counter[Endpoint] = Counter()
        self._clusters: Counter[Endpoint] = Counter()
        self._cluster_at = dict.fromkeys(steps, float("-inf"))  # when the last one began
        self._rests_s: dict[Endpoint, float] = {}
        self._since = 0.0

    def count(self, endpoint: Endpoint, units: int, now: float, *, more: bool) -> None:
        """`endpoint` gave this many datagrams or frames, and has `more`: then there is nothing to wait for."""
        self._counts[endpoint] += units
        if now - self._cluster_at[endpoint] >= APART_S:
            self._cluster_at[endpoint] = now
            self._clusters[endpoint] += 1
        if not more and endpoint in self._rests_s:
            self._poller.defer(endpoint, now + self._rests_s[endpoint])

    def add(self, endpoint: Endpoint, units: int, clusters: int) -> None:
        """The same of what C has read (gateway/native), which rests by itself for `rest_s`."""
        self._counts[endpoint] += units
        self._clusters[endpoint] += clusters

    def rest_s(self, endpoint: Endpoint) -> float:
        """How long it rests after it was emptied."""
        return self._rests_s.get(endpoint, 0.0)

    def tick(self, now: float) -> None:
        """Measure the rate of each; call it some times a second."""
        seconds, self._since = now - self._since, now
        self._rests_s = {
            endpoint: rest_s
            for endpoint, count in self._counts.items()
            if self._clusters[endpoint] >= CLUSTERS_PER_S * seconds
            for rate, rest_s in self._steps[endpoint]
            if count >= rate * seconds
        }
        self._counts.clear()
        self._clusters.clear()
