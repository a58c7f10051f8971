"""Pace: whether datagrams that come fast are let gather, so that one turn of a loop serves many of them.

What a turn costs does not depend on how many datagrams it handles. Below `GATHER_FROM_PER_S` there is nothing to gain and
each goes on at once; above it an endpoint rests for `GATHER_S` after each batch, and what came meanwhile is the next one.
"""

from __future__ import annotations

from collections import Counter

from gateway.endpoints import Endpoint
from gateway.poller import Poller

GATHER_S = 0.000_25  # what a datagram waits at most; the video of 60 frames a second has 16 ms between two
GATHER_FROM_PER_S = 20_000  # five and more in that time; 200 Mbit/s of 1,200 bytes


class Pace:
    """Of the endpoints of one loop."""

    def __init__(self, poller: Poller) -> None:
        self._poller = poller
        self._counts: Counter[Endpoint] = Counter()
        self._fast: set[Endpoint] = set()
        self._since = 0.0

    def count(self, endpoint: Endpoint, datagrams: int, now: float, *, more: bool) -> None:
        """`endpoint` gave so many, and has `more` at hand: then there is nothing to wait for."""
        self._counts[endpoint] += datagrams
        if endpoint in self._fast and not more:
            self._poller.rest(endpoint, now + GATHER_S)

    def tick(self, now: float) -> None:
        """See which of them are fast; to be called some ten times a second."""
        least = GATHER_FROM_PER_S * (now - self._since)
        self._fast = {endpoint for endpoint, count in self._counts.items() if count >= least}
        self._counts.clear()
        self._since = now
