from __future__ import annotations

import pytest

from gateway.recording.times import Times, since
from tests.agency import NOW

S = 1_000_000
CLAIMED, UNKNOWN = Times(NOW * S), Times(None)  # NOW is 2027-01-15 08:00:00


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("+12:30", 750),
        ("+90", 90),
        ("+0.25", 0.25),
        ("+1:00:00", 3600),
        ("08:00:10", 10),
        ("8:01", 60),
        ("08:00:10.5", 10.5),
        ("07:59:59", 86_399),
        ("2027-01-15T08:00:10", 10),
        ("2027-01-15T09:00:10+01:00", 10),
    ],
)
def test_what_people_type_is_a_time_of_the_session(text, seconds):
    assert CLAIMED.parse(text) == round(seconds * S)


def test_without_a_claimed_time_only_the_time_since_the_start_counts():
    assert UNKNOWN.parse("+12:30") == 750 * S
    with pytest.raises(ValueError, match="claimed no time of day"):
        UNKNOWN.parse("14:05:10")


@pytest.mark.parametrize("text", ["", "+", "noon", "14", "+1:2:3:4", "14:5", "-5", "+-5", "\u0663:\u0660\u0660"])
def test_what_is_no_time_is_told(text):
    with pytest.raises(ValueError, match="is no time such as"):
        CLAIMED.parse(text)


def test_in_words():
    assert CLAIMED.date(0) == "2027-01-15 08:00:00 UTC"
    assert CLAIMED.clock(3_661 * S) == "09:01:01"
    assert UNKNOWN.date(0) == "+0:00 since the start"
    assert UNKNOWN.clock(750 * S) == since(750 * S) == "+12:30"
    assert since(3_661 * S) == "+1:01:01"
    assert Times(1 << 64).clock(0) == "+0:00"
