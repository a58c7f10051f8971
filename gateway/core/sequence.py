"""Sequence: in which order a station sealed its commands, and which of them come too late behind later ones.

SPEC.md section 4.7, "Order of commands". A radio that swaps two datagrams costs nothing; who holds a command back cannot
have it carried out after what the pilot has commanded since. Sans-IO: time is an argument, addresses are opaque.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

BEHIND_FOR_S = 0.1  # how long after a later command an earlier one may still arrive
BEHIND_SEVERAL_FOR_S = 0.5  # while several ways of different length bring them
SEVERAL_WITHIN_S = 5.0  # since the last command that came by another address than the newest one did

Value = TypeVar("Value", int, "tuple[int, int]")


class Place(NamedTuple):
    """Where a command stands: the number of the beat that it echoes; its epoch and counter, within its instance."""

    seq: int
    epoch: int
    ctr: int


class Trail(Generic[Value]):
    """The largest value so far, and what it was at each moment of the last half second."""

    __slots__ = ("_steps",)

    def __init__(self) -> None:
        self._steps: deque[tuple[float, Value]] = deque()  # (noted at, value); both rise

    def note(self, value: Value, now: float) -> None:
        """Grows by one at most for each moment that is told, and forgets what is older than anybody asks for."""
        steps = self._steps
        if steps and value <= steps[-1][1]:
            return
        if steps and steps[-1][0] == now:
            steps.pop()
        steps.append((now, value))
        while len(steps) > 1 and now - steps[1][0] > BEHIND_SEVERAL_FOR_S:
            steps.popleft()

    def is_behind(self, value: Value, age_s: float, now: float) -> bool:
        """Whether a larger one was noted more than `age_s` ago, half a second at most."""
        if not self._steps or value >= self._steps[-1][1]:
            return False
        return any(noted > value for at, noted in self._steps if now - at > age_s)


class Sequence:
    """Of one station in one session."""

    def __init__(self) -> None:
        self._beats: Trail[int] = Trail()
        self._address: Hashable = None  # by which the newest came
        self._heard_at = self._other_heard_at = float("-inf")  # by it, and by another one before

    def takes(self, place: Place, instance: Trail[tuple[int, int]], address: Hashable, now: float) -> bool:
        """Whether a command in this place may be carried out, which came by `address` and never before.

        `instance` holds the places of what was taken of its instance. Call it only for what verified.
        """
        self._came_by(address, now)
        several = now - self._other_heard_at <= SEVERAL_WITHIN_S
        age_s = BEHIND_SEVERAL_FOR_S if several else BEHIND_FOR_S
        own = place.epoch, place.ctr
        if self._beats.is_behind(place.seq, age_s, now) or instance.is_behind(own, age_s, now):
            return False
        self._beats.note(place.seq, now)
        instance.note(own, now)
        return True

    def _came_by(self, address: Hashable, now: float) -> None:
        if address != self._address:
            self._address, self._other_heard_at = address, self._heard_at
        self._heard_at = now
