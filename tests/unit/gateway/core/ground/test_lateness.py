from __future__ import annotations

import pytest

from gateway.core.ground.lateness import Lateness
from keys.beat import SESSION_MS_MAX, Beat


def beat(sent: float) -> Beat:
    return Beat(bytes(16), 1, bytes(8), 0, {}, 0, {}, {}, 0, 0, int(sent * 1000), {})


def test_nothing_tells_how_late_the_first_beat_is():
    lateness = Lateness()
    assert lateness.of(beat(1.0), 500.0) == 0
    assert lateness.note(beat(1.0), 500.0) == 0


def test_a_beat_is_late_by_what_it_was_longer_on_its_way_than_the_soonest():
    lateness = Lateness()
    for sent, arrives in ((1.0, 101.3), (2.0, 102.0), (3.0, 103.4)):
        lateness.note(beat(sent), arrives)
    assert lateness.of(beat(4.0), 105.5) == lateness.lag_s == pytest.approx(1.5, abs=0.01)
    assert lateness.of(beat(4.0), 103.0) == 0
    assert lateness.due(beat(4.0)) == pytest.approx(104.0, abs=0.01)


def test_taking_a_beat_tells_how_late_the_one_before_was():
    lateness = Lateness()
    lateness.note(beat(1.0), 300.0)
    assert lateness.note(beat(9.0), 109.0) == pytest.approx(199.0)
    assert lateness.note(beat(10.0), 110.5) == pytest.approx(0.0, abs=0.01)
    assert lateness.note(beat(11.0), 111.0) == pytest.approx(0.5, abs=0.01)


def test_clocks_may_run_apart():
    """An aircraft whose clock is slow by 200 ppm is late by nothing, however long it flies."""
    lateness, worst = Lateness(), 0.0
    for second in range(0, 36_000, 10):
        heard = beat(second * (1 - 200e-6))
        worst = max(worst, lateness.of(heard, float(second)))
        lateness.note(heard, float(second))
    assert worst < 0.01


def test_an_attacker_that_withholds_every_beat_gains_what_clocks_may_run_apart():
    lateness = Lateness()
    lateness.note(beat(0.0), 0.0)
    assert lateness.of(beat(3_600.0), 3_605.0) == pytest.approx(5 - 3_605 * 500e-6)


def test_a_copy_that_was_read_out_of_order_does_not_turn_the_clock_back():
    lateness = Lateness()
    lateness.note(beat(10.0), 10.0)
    lateness.note(beat(11.0), 9.99)
    assert lateness.of(beat(12.0), 12.0) == pytest.approx(1.01, abs=0.01)


def test_at_its_end_field_11_tells_nothing():
    lateness = Lateness()
    lateness.note(beat(5.0), 5.0)
    assert lateness.of(beat(SESSION_MS_MAX / 1000), 9e9) == 0
    assert lateness.note(beat(SESSION_MS_MAX / 1000), 9e9) == 0


def test_an_answer_shows_that_the_clocks_are_not_so_far_apart():
    lateness = Lateness()
    lateness.note(beat(1.0), 101.0)
    lateness.note(beat(2.0), 94.0)  # a clock that ran wrong: no beat can have come so soon
    assert lateness.of(beat(12.0), 112.0) == pytest.approx(8.0, abs=0.02)
    lateness.answered(beat(12.0), 111.6, 112.0)
    assert lateness.of(beat(12.0), 112.0) == pytest.approx(0.4, abs=0.01)
    assert lateness.of(beat(13.0), 113.0) == pytest.approx(0.4, abs=0.01)


def test_an_answer_says_no_more_than_when_its_challenge_was_drawn():
    """A beat that was held back for long after that is as late as it is."""
    lateness = Lateness()
    lateness.note(beat(1.0), 101.0)
    lateness.answered(beat(10.0), 109.5, 115.0)
    assert lateness.of(beat(10.0), 115.0) == pytest.approx(5.0, abs=0.01)


def test_an_answer_in_a_session_of_more_than_49_days_tells_nothing():
    lateness, old = Lateness(), SESSION_MS_MAX / 1000
    lateness.note(beat(old), 5.0)
    lateness.answered(beat(old), 100.0, 101.0)
    assert lateness.due(beat(old)) == 5.0
