"""Times: dates and lengths of time in words, and which dates are believed. A date is in Unix seconds. Pure: no clock."""

from __future__ import annotations

import datetime

HOUR_S = 3600
DAY_S = 24 * HOUR_S
EARLIEST = 1_577_836_800  # 2020-01-01: an earlier date in an order or a clock is not believed, because Zegel is younger
LATEST = 4_102_444_800  # 2100-01-01: a clock beyond it is not believed

_UNITS = ((DAY_S, "day"), (HOUR_S, "hour"), (60, "minute"), (1, "second"))


def utc(unix_time: int) -> str:
    """Date and time to the minute, for people to read."""
    return f"{moment(unix_time):%Y-%m-%d %H:%M} UTC"


def moment(unix_time: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(unix_time, datetime.UTC)


def duration(seconds: int) -> str:
    """The two largest units: 28,800 is "8 hours", 93,600 "1 day 2 hours"."""
    words = []
    for size, unit in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            words.append(f"{count} {unit}{'s' if count > 1 else ''}")
    return " ".join(words[:2]) or "no time"
