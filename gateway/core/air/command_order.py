"""Command order: the order in which a station sealed its commands, and which of them arrive too late after later ones.

SPEC.md section 4.7, "Order of commands". A radio that swaps two datagrams costs nothing. An attacker who holds a command
back cannot have it carried out after later commands of the pilot, not even if the aircraft stood still meanwhile and reads
both at once. Sans-IO: time is an argument, addresses are opaque.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

BEHIND_FOR_S = 0.1  # an earlier command may still arrive this long after a later one
BEHIND_SEVERAL_FOR_S = 0.5  # while several paths of different delay carry them
SEVERAL_WITHIN_S = 5.0  # since the last command from another address than that of the newest one

Value = TypeVar("Value", int, "tuple[int, int]")


class Place(NamedTuple):
    """The place of a command: the number of the beat that it echoes; its epoch and counter, within its instance."""

    seq: int
    epoch: int
    ctr: int


class Trail(Generic[Value]):
    """The largest value so far, and what it was at each moment of the last half second."""

    __slots__ = ("_steps",)

    def __init__(self) -> None:
        self._steps: deque[tuple[float, Value]] = deque()  # (came at, value); both rise

    def note(self, value: Value, at: float) -> None:
        """Grows by at most one entry per call, and forgets entries that are too old to be needed."""
        steps = self._steps
        if steps and value <= steps[-1][1]:
            return
        while steps and steps[-1][0] >= at:  # it came later and is smaller: the new entry replaces it
            steps.pop()
        steps.append((at, value))
        while len(steps) > 1 and at - steps[1][0] > BEHIND_SEVERAL_FOR_S:
            steps.popleft()

    def is_behind(self, value: Value, age_s: float, at: float) -> bool:
        """Whether a larger one had come more than `age_s` before `at`; `age_s` is at most half a second."""
        if not self.has_above(value):
            return False
        return any(noted > value for came_at, noted in self._steps if at - came_at > age_s)

    def has_above(self, value: Value) -> bool:
        """Whether a larger one was recorded at any time."""
        return bool(self._steps) and value < self._steps[-1][1]


class Came(NamedTuple):
    """A command that verified and is new.

    `trail` holds the places of the accepted commands of its instance; `address` is its sender, and `waited` is for how many
    seconds it had waited when it was read, 0 if it has just arrived.
    """

    place: Place
    trail: Trail[tuple[int, int]]
    address: Hashable = None
    waited: float = 0.0


class CommandOrder:
    """The order of the commands of one station in one session."""

    def __init__(self) -> None:
        self._beats: Trail[int] = Trail()
        self._address: Hashable = None  # the address of the newest
        self._heard_at = self._other_heard_at = float(
            "-inf"
        )  # the times of the newest, and of the last from another address

    def in_order(self, read: list[Came], now: float) -> list[int]:
        """Which of the commands of one read may be carried out, as numbers of `read`, in the order of their sealing.

        If they had waited, the aircraft stood still. Then they are judged by their time of arrival, and without tolerance
        against commands of an earlier read: those are carried out already, and with two links or a line without timestamps
        it is not known which came first.
        """
        behind = {number for number, came in enumerate(read) if came.waited and self._has_taken_above(came)}
        rest = [number for number in range(len(read)) if number not in behind]
        rest.sort(key=lambda number: -read[number].waited)
        taken = [number for number in rest if self._takes(read[number], now - read[number].waited)]
        return sorted(taken, key=lambda number: read[number].place)

    def _has_taken_above(self, came: Came) -> bool:
        place = came.place
        return self._beats.has_above(place.seq) or came.trail.has_above((place.epoch, place.ctr))

    def _takes(self, came: Came, at: float) -> bool:
        """Whether a command that came at `at` is not too late after later ones."""
        self._came_by(came.address, at)
        several = at - self._other_heard_at <= SEVERAL_WITHIN_S
        age_s = BEHIND_SEVERAL_FOR_S if several else BEHIND_FOR_S
        seq, own = came.place.seq, (came.place.epoch, came.place.ctr)
        if self._beats.is_behind(seq, age_s, at) or came.trail.is_behind(own, age_s, at):
            return False
        self._beats.note(seq, at)
        came.trail.note(own, at)
        return True

    def _came_by(self, address: Hashable, at: float) -> None:
        if address != self._address:
            self._address, self._other_heard_at = address, self._heard_at
        self._heard_at = max(self._heard_at, at)
