"""Kept back: what a guard policy did not let through, by the names that the guard gives it. Of either role.

What lives here: bounded counting. What must not: judging a frame (firmware_shims.guard), telling a person (alarms.py).
"""

from __future__ import annotations

NAMES_MAX = 32  # names of one station; who sends more kinds of what he may not has them counted together
OTHERS = "others"


class KeptBack:
    """Of one station: how often, by name, in the order in which they came first."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def count(self, name: str) -> str:
        """One more of these; the name that it is counted under."""
        if name not in self.counts and len(self.counts) >= NAMES_MAX:
            name = OTHERS
        self.counts[name] = self.counts.get(name, 0) + 1
        return name

    def times(self, name: str) -> str:
        """For a person: once, or how many times."""
        count = self.counts[name]
        return "once" if count == 1 else f"{count} times"

    @property
    def total(self) -> int:
        return sum(self.counts.values())
