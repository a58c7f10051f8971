"""Damage: what of a card cannot be shown or opened, counted. It is told to people and is never an exception.

What lives here: the kinds, in words. What must not: how one is found. Pure.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Hashable


class Damage(enum.Enum):
    """What is counted; the value says it in words, after which a number stands."""

    UNREADABLE = "files that the card does not give back"
    HEADER_LOST = "recordings without a whole header that this session signed"
    HEADER_COPIED = "headers that are damaged, and were taken from their copy"
    HEADER_CHANGED = "headers that are not those of the log"
    SEGMENT_LOST = "segments of the log that are not on the card"
    SEGMENT_CHANGED = "segments that are not as the log has them"
    SEGMENT_BROKEN = "segments that open only up to a broken place"
    TAIL_BROKEN = "segments that were not finished when the power went"
    RECORDS_BROKEN = "segments with bytes that are no records"
    FILE_BROKEN = "files of a ground with bytes that are no records"
    NOT_OPENED = "segments that this key does not open"


class Damages:
    """Of one session. The same damage to the same thing counts once, however often it is read.

    `listener`: is told each when it is found
    """

    def __init__(self) -> None:
        self._found: set[tuple[Damage, Hashable]] = set()
        self.listener: Callable[[Damage, Hashable], None] | None = None

    def note(self, damage: Damage, thing: Hashable) -> None:
        if (damage, thing) not in self._found:
            self._found.add((damage, thing))
            if self.listener is not None:
                self.listener(damage, thing)

    def counts(self) -> Counter[Damage]:
        return Counter(damage for damage, _ in self._found)

    def lines(self) -> list[str]:
        """One for each kind that was found."""
        counts = self.counts()
        return [f"{damage.value}: {counts[damage]}" for damage in Damage if counts[damage]]
