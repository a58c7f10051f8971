"""Meter: what the endpoints of a role carry, as counters since the start and as rates of the last seconds.

What lives here: arithmetic on counters. What must not: words for people (status.py, advice.py).
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from gateway.endpoints import Endpoint

OVER_S = 2.0  # rates are of so long; a status is published twice a second
_RATES = {"rx_per_s": ("rx_datagrams", 1.0), "tx_per_s": ("tx_datagrams", 1.0)}
_RATES |= {"rx_kbit": ("rx_bytes", 8 / 1000), "tx_kbit": ("tx_bytes", 8 / 1000), "late_per_s": ("late_drop", 1.0)}


class Reception(Protocol):
    """What a ground counts of one link: datagrams that it should have brought, that it did bring, and that are lost."""

    @property
    def expected(self) -> int: ...
    @property
    def received(self) -> int: ...
    @property
    def lost(self) -> int: ...


class Meter:
    """`uses` maps what endpoints are for ("link", "fc", "camera", "gcs", "player") to them.

    `receptions` are the links' in their order, at a ground.
    """

    def __init__(self, uses: Mapping[str, Sequence[Endpoint]], receptions: Sequence[Reception] = ()) -> None:
        received = {"link": receptions}
        self._rows = [
            _Row(use, endpoint, reception)
            for use, endpoints in uses.items()
            for endpoint, reception in itertools.zip_longest(endpoints, received.get(use, ()))
        ]

    def read(self, now: float) -> list[dict[str, Any]]:
        """One object for each endpoint."""
        return [row.read(now) for row in self._rows]


class Growth:
    """What counters have grown by lately. The same names each time."""

    def __init__(self) -> None:
        self._past: deque[tuple[float, Mapping[str, int]]] = deque()

    def take(self, now: float, counts: Mapping[str, int]) -> tuple[dict[str, int], float]:
        """How much each of `counts` has grown in the last OVER_S seconds or less, and in how many seconds."""
        self._past.append((now, counts))
        while now - self._past[0][0] > OVER_S:
            self._past.popleft()
        began, before = self._past[0]
        return {name: count - before[name] for name, count in counts.items()}, (now - began) or 1.0


class _Row:
    def __init__(self, use: str, endpoint: Endpoint, reception: Reception | None) -> None:
        self._use, self._endpoint, self._reception = use, endpoint, reception
        self._growth = Growth()

    def read(self, now: float) -> dict[str, Any]:
        endpoint, counts = self._endpoint, dataclasses.asdict(self._endpoint.counters)
        if self._reception:
            counts |= {"rx_expected": self._reception.expected, "rx_known": self._reception.received}
        return {
            "use": self._use,
            "endpoint": str(endpoint.address),
            "state": endpoint.state,
            "last_error": endpoint.last_error,
            "clients": endpoint.clients(),
            **counts,
            **self._rates(*self._growth.take(now, counts)),
        }

    def _rates(self, grown: Mapping[str, int], seconds: float) -> dict[str, float]:
        rates = {name: round(grown[counter] * scale / seconds, 1) for name, (counter, scale) in _RATES.items()}
        if self._reception:
            expected = grown["rx_expected"]
            lost = max(0, expected - grown["rx_known"])
            rates |= {
                "rx_lost_est": self._reception.lost,
                "loss_percent": round(100 * lost / expected, 1) if expected else 0,
            }
        return rates
