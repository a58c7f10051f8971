"""Long round: whether a station that joins waits long for its keys, because the announcements of the order are large."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.report.alarms import Alarms, Reason
from keys.grant import Profile
from keys.order_station import OrderStation

ROUND_ADVISED_S = 10.0  # a station that joins waits for a round of announcements; a pilot notices a longer wait


def alarm(alarms: Alarms, round_s: float, stations: Iterable[OrderStation], now: float) -> None:
    if too_large_for_link(round_s, stations):
        alarms.raise_(Reason.ANNOUNCEMENTS_SLOW, now, seconds=round(round_s))
    else:
        alarms.clear(Reason.ANNOUNCEMENTS_SLOW)


def too_large_for_link(round_s: float, stations: Iterable[OrderStation]) -> bool:
    """Whether the announcements of the order are too large; False if there is no smaller profile."""
    return round_s > ROUND_ADVISED_S and any(station.profile is not Profile.X25519 for station in stations)
