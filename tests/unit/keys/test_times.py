from __future__ import annotations

import pytest

from keys.times import DAY_S, HOUR_S, duration, utc


def test_times_are_read_in_utc():
    assert utc(1_800_000_000) == "2027-01-15 08:00 UTC"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "no time"),
        (1, "1 second"),
        (90, "1 minute 30 seconds"),
        (8 * HOUR_S, "8 hours"),
        (DAY_S + 2 * HOUR_S, "1 day 2 hours"),
        (49 * HOUR_S + 61, "2 days 1 hour"),
    ],
)
def test_durations_in_words(seconds, words):
    assert duration(seconds) == words
