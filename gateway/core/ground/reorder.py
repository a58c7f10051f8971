"""Reorder: hands telemetry on in the order in which it was sealed, although it comes by several links.

The first copy of a datagram has won before it comes here (the replay window). Of two links one is slower, so what the
faster one lost arrives behind what followed it: while more than one link of a session is up, a bundle behind a gap
waits for it, at most `WAIT_S` from its arrival. With one link nothing ever waits. SPEC.md section 7.1.

Sans-IO: time is an argument. What must not live here: which links are up (paths.py).
"""

from __future__ import annotations

import bisect
import weakref
from collections.abc import Callable, Iterable
from typing import TypeAlias

from gateway.core.bundle import DROP_AFTER_S
from gateway.core.ground.opened import Bundle
from gateway.core.ground.session import Session
from keys.lanes import Lane

WAIT_S = 0.050  # for the datagrams of a gap
WAITING_MAX = 512  # bundles of one lane; more than the fastest flight controller fills in WAIT_S

Position: TypeAlias = tuple[int, int]  # epoch, CTR


class _Lane:
    """One telemetry lane of one session: what was delivered last, and what waits for a gap, in order."""

    __slots__ = ("next", "waiting")

    def __init__(self) -> None:
        self.next: Position | None = None  # behind what was delivered last; None before the first
        self.waiting: list[Bundle] = []

    def put(self, bundle: Bundle) -> None:
        """Line up behind a gap. The bytes are copied, for their batch is filled again meanwhile."""
        copied = bundle._replace(frames=[memoryview(bytes(frame)) for frame in bundle.frames])
        bisect.insort(self.waiting, copied, key=lambda waiting: waiting.position)

    def release(self, count: int, now: float) -> tuple[list[Bundle], int]:
        """The first `count` of those that wait, and all that then follow without a gap.

        And how many of these are not delivered: the process stood still while they waited, and they are late.
        """
        follows = _following(self.waiting[count - 1].position) if count else self.next
        while follows and count < len(self.waiting) and self.waiting[count].position == follows:
            follows = _following(follows)
            count += 1
        gone, self.waiting = self.waiting[:count], self.waiting[count:]
        self.next = follows
        in_time = [bundle for bundle in gone if now - bundle.arrived <= DROP_AFTER_S]
        return in_time, len(gone) - len(in_time)

    def overdue(self, now: float) -> int:
        """How many must not wait any longer: those that have waited long enough, and all before them."""
        return max((i + 1 for i, bundle in enumerate(self.waiting) if bundle.arrived + WAIT_S <= now), default=0)


def _following(position: Position) -> Position:
    return position[0], position[1] + 1


class Reorder:
    """`several(session, now)` says whether more than one link brings this session now.

    `late` counts bundles that came when their place had been passed; they are delivered at once, not dropped.
    `dropped` counts those that had waited for over a second when their turn came: the process stood still.
    """

    def __init__(self, several: Callable[[Session, float], bool]) -> None:
        self.late = self.dropped = 0
        self._several = several
        self._lanes: weakref.WeakKeyDictionary[Session, dict[Lane, _Lane]] = weakref.WeakKeyDictionary()
        self._waiting: list[_Lane] = []  # those in which something waits

    def put(self, bundles: Iterable[Bundle], now: float) -> list[Bundle]:
        """Those that may go on now, in order. Only frames that have to wait are copied."""
        out: list[Bundle] = []
        for bundle in bundles:
            lease = bundle.lease
            lane = self._lanes.setdefault(lease.session, {}).setdefault(lease.lane, _Lane())
            out += self._put(lane, bundle, now)
            if lane.waiting and lane not in self._waiting:
                self._waiting.append(lane)
        return out

    def _put(self, lane: _Lane, bundle: Bundle, now: float) -> list[Bundle]:
        if lane.next is not None and bundle.position < lane.next:
            self.late += 1
            return [bundle]
        if lane.next is None or bundle.position == lane.next:
            lane.next = _following(bundle.position)
            return [bundle, *self._release(lane, 0, now)]
        lane.put(bundle)
        if len(lane.waiting) > WAITING_MAX or not self._several(bundle.lease.session, now):
            return self._release(lane, len(lane.waiting), now)
        return []

    def _release(self, lane: _Lane, count: int, now: float) -> list[Bundle]:
        bundles, late = lane.release(count, now)
        self.dropped += late
        return bundles

    def next_due(self) -> float:
        """When `release` has bundles next."""
        arrived = [bundle.arrived for lane in self._waiting for bundle in lane.waiting]
        return min(arrived, default=float("inf")) + WAIT_S

    def release(self, now: float) -> list[Bundle]:
        """Those behind gaps that were not filled in time."""
        out: list[Bundle] = []
        for lane in self._waiting:
            out += self._release(lane, lane.overdue(now), now)
        self._waiting = [lane for lane in self._waiting if lane.waiting]
        return out
