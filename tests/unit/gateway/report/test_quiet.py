from __future__ import annotations

from gateway.report.quiet import ALL_AT_ONCE, ALL_EVERY_S, SAME_AT_ONCE, SAME_EVERY_S, TEXTS_MAX, LogLimiter


def test_a_flapping_link_says_it_a_few_times_then_seldom_and_how_often_it_was():
    quiet, day_s = LogLimiter(), 86_400
    said = [line for now in range(0, day_s, 7) if (line := quiet.admit("usb0 is back", float(now)))]
    assert len(said) <= SAME_AT_ONCE + day_s / SAME_EVERY_S + 1
    assert said[:SAME_AT_ONCE] == ["usb0 is back"] * SAME_AT_ONCE
    assert said[-1].endswith("more like this were left out)")


def test_a_new_text_is_said_at_once_whatever_flaps():
    quiet = LogLimiter()
    for _ in range(1000):
        quiet.admit("flap", 1.0)
    assert quiet.admit("alarm: two aircraft", 1.0) == "alarm: two aircraft"


def test_texts_that_are_all_different_are_bounded_too_in_lines_and_in_memory():
    quiet = LogLimiter()
    said = [line for number in range(100_000) if (line := quiet.admit(f"line {number}", number / 100))]
    assert len(said) <= ALL_AT_ONCE + 1000 / ALL_EVERY_S + 1
    assert "other lines were left out" in said[-1]
    assert len(quiet._texts) <= TEXTS_MAX


def test_what_was_quiet_for_long_is_said_again_in_full():
    quiet = LogLimiter()
    for _ in range(SAME_AT_ONCE + 3):
        quiet.admit("flap", 0.0)
    assert quiet.admit("flap", SAME_EVERY_S) == "flap (3 more like this were left out)"
    assert quiet.admit("flap", 20 * SAME_EVERY_S) == "flap"
