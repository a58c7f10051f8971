"""One row of the table of attacks: what the attacker sent, what came of it, and which counters said so."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """`counters` are those that had to move; where none can see the attack, `counters` is empty and `happened` says why."""

    attack: str
    sent: str
    happened: str
    counters: Mapping[str, int]

    def markdown(self) -> str:
        moved = ", ".join(f"`{name}` {count:,}" for name, count in sorted(self.counters.items())) or "none"
        return f"| {self.attack} | {self.sent} | {self.happened} | {moved} |"


def only(counters: Mapping[str, int], *names: str) -> dict[str, int]:
    """These counters, each of which must have moved."""
    assert all(counters.get(name, 0) > 0 for name in names), f"{names} should have moved, but these did: {dict(counters)}"
    return {name: counters[name] for name in names}
