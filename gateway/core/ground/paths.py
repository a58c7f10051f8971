"""Paths: which links carry datagrams of a session now, and how many of them each link loses.

A path is a link of ours and the sender at its other end: an aircraft may reach one port of ours by two radios, and
several aircraft may share one link. Sans-IO: time is an argument.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeAlias, TypeVar

from gateway.core.ground.opened import Arrival
from gateway.core.ground.session import Session
from keys.lanes import Lane

UP_FOR_S = 2.0  # since its last datagram; a session sends at least one a second
PATHS_MAX = 16  # of a session; a copy is not authenticated, so an attacker can choose its source address

T = TypeVar("T")
Path: TypeAlias = tuple[int, Hashable]  # number of the link, address of the sender


class BySession(Generic[T]):
    """Something for each session, while that is there; the last one that was asked for is found without a search."""

    __slots__ = ("_all", "_last", "_make", "_of_last")

    def __init__(self, make: Callable[[], T]) -> None:
        self._all: weakref.WeakKeyDictionary[Session, T] = weakref.WeakKeyDictionary()
        self._make, self._of_last = make, make()
        self._last: Callable[[], Session | None] = lambda: None

    def of(self, session: Session) -> T:
        if self._last() is not session:
            if session not in self._all:
                self._all[session] = self._make()
            self._last, self._of_last = weakref.ref(session), self._all[session]
        return self._of_last


class Reception:
    """One link: the datagrams that should have come by it, and those that came; cumulative loss of RFC 3550 section 6.4.1.

    Expected is every counter from the first to the highest that came, of each lane and epoch. A copy that comes twice by
    the same link hides one that is lost, so the figure is an estimate, as in RTP.
    """

    __slots__ = ("_rows", "carries_up_to", "expected", "received")

    def __init__(self) -> None:
        self.expected = self.received = 0
        self.carries_up_to: int | None = None  # bytes, if it swallows what is larger (gateway/ground/path_size.py)
        self._rows: BySession[dict[tuple[Lane, int], _Row]] = BySession(dict)

    @property
    def lost(self) -> int:
        return max(0, self.expected - self.received)

    def count(self, arrival: Arrival) -> None:
        """Count an arrival that is not empty."""
        lease, ctrs = arrival.lease, arrival.ctrs
        rows = self._rows.of(lease.session)
        row = rows.get((lease.lane, lease.epoch))
        if row is None:
            _forget_old(rows, lease.session)
            row = rows[lease.lane, lease.epoch] = _Row(min(ctrs) - 1)
        if (highest := max(ctrs)) > row.top:
            self.expected += highest - row.top
            row.top = highest
        row.came += len(ctrs)
        self.received += len(ctrs)

    def of_lane(self, session: Session, lane: Lane, epoch: int) -> tuple[int, int]:
        """(datagrams that should have come, those that came) of one lane and epoch."""
        row = self._rows.of(session).get((lane, epoch))
        return (row.top - row.before, row.came) if row else (0, 0)


class _Row:
    """Of a lane in an epoch: the counter before the first one, the highest, and how many datagrams came."""

    __slots__ = ("before", "came", "top")

    def __init__(self, before: int) -> None:
        self.before = self.top = before
        self.came = 0


def _forget_old(rows: dict[tuple[Lane, int], _Row], session: Session) -> None:
    """Of the epochs of which nothing opens any more."""
    if session.beat is not None:
        for lane, epoch in [each for each in rows if each[1] < session.beat.epoch - 1]:
            del rows[lane, epoch]


class Paths:
    """The paths of all links of a ground. `links` is the number of links."""

    def __init__(self, links: int) -> None:
        self.receptions = [Reception() for _ in range(links)]
        self._heard: BySession[dict[Path, float]] = BySession(dict)

    def hear(self, link: int, arrival: Arrival, senders: Iterable[Hashable], now: float) -> None:
        """`arrival` came by `link`, from these senders."""
        self.receptions[link].count(arrival)
        heard = self._heard.of(arrival.lease.session)
        for path in ((link, sender) for sender in senders):
            if path in heard or len(heard) < PATHS_MAX:
                heard[path] = now
        if len(heard) > 1:
            for path in [path for path, at in heard.items() if now - at > UP_FOR_S]:
                del heard[path]

    def several(self, session: Session, now: float) -> bool:
        """Whether datagrams of this session come by more than one path now."""
        return sum(now - at <= UP_FOR_S for at in self._heard.of(session).values()) > 1
