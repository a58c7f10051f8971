"""Meter: the traffic of the endpoints of a role, as counters since the start and as rates over the last seconds.

What lives here: arithmetic on counters. What must not: words for people (wording.py, advice.py).
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Hashable, Mapping, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from gateway.endpoints import Endpoint
from gateway.report.in_clear import LISTENS
from gateway.report.role_status import EndpointStatus, Use

OVER_S = 2.0  # rates of endpoints are averages over this time; a status is published twice a second
RECENT_S = 10.0  # those of single events: long enough for a person to look
KBIT = 8 / 1000  # of a byte

Name = TypeVar("Name", bound=Hashable)


class Reception(Protocol):
    """What a ground counts of one link: datagrams that should have come by it, those that came, and those that are lost.

    `carries_up_to`: the largest that came, in bytes, if it swallows what is larger; else None.
    """

    @property
    def expected(self) -> int: ...
    @property
    def received(self) -> int: ...
    @property
    def lost(self) -> int: ...
    @property
    def carries_up_to(self) -> int | None: ...


class Meter:
    """`uses` maps each use to its endpoints.

    `receptions` are those of a ground's links, in their order.
    """

    def __init__(self, uses: Mapping[Use, Sequence[Endpoint]], receptions: Sequence[Reception] = ()) -> None:
        received = {Use.LINK: receptions}
        self._rows = [
            _Row(use, endpoint, reception)
            for use, endpoints in uses.items()
            for endpoint, reception in itertools.zip_longest(endpoints, received.get(use, ()))
        ]

    def read(self, now: float) -> list[EndpointStatus]:
        """The status of each endpoint."""
        return [row.read(now) for row in self._rows]


class Grown(NamedTuple, Generic[Name]):
    """By how much each counter has grown, and over how many seconds."""

    counts: dict[Name, int]
    seconds: float

    def per_s(self, *names: Name, scale: float = 1.0) -> float:
        """The sum of these counters a second."""
        return round(sum(map(self.counts.__getitem__, names)) * scale / self.seconds, 1)


class Growth(Generic[Name]):
    """What counters have grown by in the last `over_s` seconds. One that was missing began at 0."""

    def __init__(self, over_s: float = OVER_S) -> None:
        self._over_s = over_s
        self._past: deque[tuple[float, Mapping[Name, int]]] = deque()

    def grown(self, now: float, counts: Mapping[Name, int]) -> Grown[Name]:
        """The growth over that time or less."""
        self._past.append((now, counts))
        while now - self._past[0][0] > self._over_s:
            self._past.popleft()
        began, before = self._past[0]
        return Grown({name: count - before.get(name, 0) for name, count in counts.items()}, (now - began) or 1.0)


class Rates(Generic[Name]):
    """How often a second each of some counters has grown recently, without those that have not."""

    def __init__(self) -> None:
        self._growth: Growth[Name] = Growth(RECENT_S)

    def read(self, now: float, counts: Mapping[Name, int]) -> dict[Name, float]:
        grown = self._growth.grown(now, counts)
        return {name: grown.per_s(name) for name, count in grown.counts.items() if count > 0}


class RatesBy:
    """The same of counters within counters, such as those of each station."""

    def __init__(self) -> None:
        self._rates: Rates[tuple[str, str]] = Rates()

    def read(self, now: float, counts: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, float]]:
        rates = self._rates.read(now, {(of, name): count for of, its in counts.items() for name, count in its.items()})
        return {of: {name: rate for (whose, name), rate in rates.items() if whose == of} for of, _ in rates}


class Ages:
    """How long ago each counter last grew. A counter that has not grown yet has no age."""

    def __init__(self) -> None:
        self._counts: Mapping[str, int] = {}
        self._grew_at: dict[str, float] = {}

    def read(self, now: float, counts: Mapping[str, int]) -> dict[str, float]:
        """Seconds by name. What grew since the last call counts as grown at `now`."""
        self._grew_at |= {name: now for name, count in counts.items() if count > self._counts.get(name, 0)}
        self._counts = counts
        return {name: round(now - at, 1) for name, at in self._grew_at.items()}


class _Row:
    def __init__(self, use: Use, endpoint: Endpoint, reception: Reception | None) -> None:
        self._use, self._endpoint, self._reception = use, endpoint, reception
        self._growth: Growth[str] = Growth()

    def read(self, now: float) -> EndpointStatus:
        endpoint, counts = self._endpoint, self._endpoint.counters.as_dict()
        if self._reception:
            counts |= {"rx_expected": self._reception.expected, "rx_known": self._reception.received}
        grown = self._growth.grown(now, counts)
        return EndpointStatus(
            use=self._use,
            endpoint=str(endpoint.address),
            listens=endpoint.address.kind in LISTENS,
            state=endpoint.state,
            last_error=endpoint.last_error,
            clients=endpoint.clients(),
            rx_per_s=grown.per_s("rx_datagrams"),
            tx_per_s=grown.per_s("tx_datagrams"),
            rx_kbit=grown.per_s("rx_bytes", scale=KBIT),
            tx_kbit=grown.per_s("tx_bytes", scale=KBIT),
            late_per_s=grown.per_s("late_drop"),
            rx_lost_est=self._reception.lost if self._reception else None,
            carries_up_to=self._reception.carries_up_to if self._reception else None,
            loss_percent=_loss_percent(grown.counts) if self._reception else None,
            **counts,
        )


def _loss_percent(grown: Mapping[str, int]) -> float:
    expected = grown["rx_expected"]
    return round(100 * max(0, expected - grown["rx_known"]) / expected, 1) if expected else 0.0
