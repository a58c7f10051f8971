"""A bound that is kept, and one that is not."""

from __future__ import annotations

from bench import wanted
from bench.wanted import Wanted

SLOW = Wanted("rate", 0.5, 0.7, most=False)
SMALL = Wanted("memory (MB)", 60.0, 60.0)


def test_a_bound_has_two_sides():
    assert SMALL.met
    assert not Wanted("memory (MB)", 60.1, 60.0).met
    assert not SLOW.met
    assert Wanted("rate", 0.7, 0.7, most=False).met


def test_the_table_says_which_are_met():
    table = wanted.table([SLOW, SMALL], "bounds")
    assert table.rows == (("rate", 0.5, "at least 0.700", "NO"), ("memory (MB)", 60.0, "at most 60.0", "yes"))


def test_what_is_missed_is_named():
    assert wanted.summary([SMALL, SMALL]) == "2 of 2 bounds are kept"
    assert wanted.summary([SLOW, SMALL]) == "1 of 2 bounds are kept, and not: rate"
