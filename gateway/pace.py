"""Pace: whether what comes fast is let gather, so that one turn of a loop serves much of it.

What a turn costs hardly depends on how much it handles. Where less than `GATHER_FROM` come in the time that they may wait,
there is nothing to gain and each goes on at once; else their endpoint rests for that time after it was read to its end,
and what came meanwhile is read in one go.
"""

from __future__ import annotations

from collections import Counter

from gateway.endpoints import Endpoint
from gateway.poller import Poller

VIDEO_S = 0.000_25  # what a video datagram, or a link's, waits at most; at 60 pictures a second one comes every 16 ms
GATHER_FROM = 2


class Pace:
    """Of the endpoints of one loop; `waits_s` says how long what comes to each may wait."""

    def __init__(self, poller: Poller, waits_s: dict[Endpoint, float]) -> None:
        self._poller, self._waits_s = poller, waits_s
        self._counts: Counter[Endpoint] = Counter()
        self._fast: set[Endpoint] = set()
        self._since = 0.0

    def count(self, endpoint: Endpoint, units: int, now: float, *, more: bool) -> None:
        """`endpoint` gave so many datagrams or frames, and has `more` at hand: then there is nothing to wait for."""
        self._counts[endpoint] += units
        if endpoint in self._fast and not more:
            self._poller.rest(endpoint, now + self._waits_s[endpoint])

    def tick(self, now: float) -> None:
        """See which of them are fast; to be called some ten times a second."""
        seconds, self._since = now - self._since, now
        self._fast = {end for end, count in self._counts.items() if count * self._waits_s[end] >= GATHER_FROM * seconds}
        self._counts.clear()
