"""Kept back: what a guard policy did not let through, by the names that the guard gives it. For both roles.

What lives here: bounded counters. What must not: judging a frame (firmware_shims.guard), the alarm (alarms.py).
"""

from __future__ import annotations

NAMES_MAX = 32  # names of one station; what it sends of more kinds is counted together
OTHERS = "others"


class KeptBack:
    """The counters of one station by name, in the order of their first frame."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def count(self, name: str) -> str:
        """Count one more; returns the name under which it is counted."""
        if name not in self.counts and len(self.counts) >= NAMES_MAX:
            name = OTHERS
        self.counts[name] = self.counts.get(name, 0) + 1
        return name

    def times(self, name: str) -> str:
        """How often, for a person: "once" or "3 times"."""
        count = self.counts[name]
        return "once" if count == 1 else f"{count} times"

    @property
    def total(self) -> int:
        return sum(self.counts.values())
