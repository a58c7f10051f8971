from __future__ import annotations

import pytest

from gateway.recording.pace import SECOND_NS, STANDSTILL_S, Pace

S = SECOND_NS


@pytest.mark.parametrize("speed", [0.5, 1.0, 4.0])
def test_a_record_is_due_as_long_after_the_first_as_it_was_at_this_speed(speed):
    pace = Pace(speed)
    pace.begin(100 * S, 1000.0)
    assert pace.left(100 * S, 1000.0) == 0
    assert pace.left(104 * S, 1000.0) == pytest.approx(4 / speed)
    assert pace.left(104 * S, 1000.0 + 4 / speed) == pytest.approx(0)


def test_a_pause_moves_everything_behind_it():
    pace = Pace(1.0)
    pace.begin(0, 0.0)
    pace.toggle(2.0)
    assert pace.paused
    assert pace.left(3 * S, 100.0) == float("inf")
    pace.toggle(12.0)
    assert not pace.paused
    assert pace.left(3 * S, 12.0) == pytest.approx(1.0)


def test_a_jump_while_it_is_paused_stays_paused_and_goes_on_from_there():
    pace = Pace(1.0)
    pace.begin(0, 0.0)
    pace.toggle(2.0)
    pace.begin(50 * S, 5.0)
    assert pace.left(50 * S, 6.0) == float("inf")
    pace.toggle(9.0)
    assert pace.left(51 * S, 9.0) == pytest.approx(1.0)


def test_after_a_standstill_there_is_no_burst():
    pace = Pace(1.0)
    pace.begin(0, 0.0)
    assert pace.left(S, 1.0 + STANDSTILL_S) == pytest.approx(-STANDSTILL_S)
    assert pace.left(S, 60.0) < -STANDSTILL_S
    assert pace.left(2 * S, 60.0) == pytest.approx(1.0)
