"""Wall clock: what time it was, of a recording whose own times count from the beginning of its session.

What lives here: one offset for a whole export, so that no time in it goes back; where it comes from, in words.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

SECOND_US = 1_000_000
DIFFERS_US = 2 * SECOND_US  # claims that are further apart than this are told
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_2020_US, _YEAR_2200_US = 1_577_836_800 * SECOND_US, 7_258_118_400 * SECOND_US


class WallClock:
    """`claims`: (microseconds of the session, UTC in microseconds) as the aircraft said; the last one counts.

    `source`  where the time comes from, for people
    """

    def __init__(self, claims: Sequence[tuple[int, int]], of_autopilot: tuple[int, int] | None = None) -> None:
        offsets = [utc_us - mono_us for mono_us, utc_us in claims if plausible(utc_us) and plausible(utc_us - mono_us)]
        self.offset_us: int | None = None
        if offsets:
            self.offset_us = offsets[-1]
            self.source = "the clock of the aircraft's computer, as the aircraft claimed it while it recorded"
            if (apart := max(offsets) - min(offsets)) > DIFFERS_US:
                self.source += f"; it was set in flight, by {apart / SECOND_US:.0f} s, and the last claim counts for all"
        elif of_autopilot is not None and plausible(of_autopilot[1] - of_autopilot[0]):
            self.offset_us = of_autopilot[1] - of_autopilot[0]
            self.source = "SYSTEM_TIME of the flight controller; the aircraft's computer claimed no time"
        else:
            self.source = "unknown: neither the aircraft's computer nor its flight controller claimed one"

    def stamp_us(self, time_ns: int) -> int:
        """Microseconds of UTC; if that is not known, since the session began."""
        return time_ns // 1000 + (self.offset_us or 0)

    def utc(self, time_ns: int) -> datetime | None:
        """None if it is not known, or a time that a changed log names lies beyond every calendar."""
        with contextlib.suppress(OverflowError):
            return None if self.offset_us is None else _EPOCH + timedelta(microseconds=self.stamp_us(time_ns))
        return None

    def iso(self, time_ns: int) -> str | None:
        """RFC 3339."""
        utc = self.utc(time_ns)
        return None if utc is None else utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def words(self, time_ns: int) -> str:
        """For people: UTC if it is known, and since the session began."""
        utc = self.utc(time_ns)
        return since(time_ns) if utc is None else f"{utc:%Y-%m-%d %H:%M:%S} UTC ({since(time_ns)})"


def plausible(utc_us: int) -> bool:
    return _YEAR_2020_US <= utc_us < _YEAR_2200_US


def since(time_ns: int) -> str:
    """+1:02:03 or +02:03, as `--from` takes it."""
    minutes, seconds = divmod(time_ns // 1_000_000_000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"+{hours}:{minutes:02}:{seconds:02}" if hours else f"+{minutes:02}:{seconds:02}"
