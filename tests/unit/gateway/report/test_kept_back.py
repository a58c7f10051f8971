from __future__ import annotations

from gateway.report.kept_back import NAMES_MAX, OTHERS, KeptBack


def test_names_are_counted_in_the_order_in_which_they_came():
    kept = KeptBack()
    assert [kept.count(name) for name in ("B", "A", "B")] == ["B", "A", "B"]
    assert list(kept.counts.items()) == [("B", 2), ("A", 1)]
    assert (kept.times("A"), kept.times("B"), kept.total) == ("once", "2 times", 3)


def test_a_sender_of_ever_new_names_makes_no_list_without_end():
    kept = KeptBack()
    for number in range(10_000):
        kept.count(f"message {number}")
    assert kept.count("message 3") == "message 3"
    assert kept.count("message 5000") == OTHERS
    assert len(kept.counts) == NAMES_MAX + 1
    assert kept.total == 10_002
