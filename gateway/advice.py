"""Advice: what is wrong, and what to do, in one line.

What lives here: pure functions of what is known to the words for a person. What must not: finding it out, printing it.
"""

from __future__ import annotations

from collections.abc import Iterable

from keys.grant import Profile
from keys.order import OrderStation

CYCLE_ADVISED_S = 10.0  # who joins waits for a cycle of announcements; longer than this is felt


def profile(cycle_s: float, stations: Iterable[OrderStation]) -> str:
    """Whether the order's announcements are too large for the link; empty if not, or if nothing smaller exists."""
    if cycle_s <= CYCLE_ADVISED_S or all(station.profile is Profile.X25519 for station in stations):
        return ""
    return (
        f"on this narrow link the keys of all stations take {cycle_s:.0f} s, and who joins waits so long:"
        " make the stations with --profile x25519 for such a link"
    )
