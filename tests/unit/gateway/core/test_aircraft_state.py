from __future__ import annotations

import pytest

from gateway.core.aircraft_state import NONE_YET, AircraftState, read
from keys import cose
from keys.beat import STATE_MAX, is_state

ALL = AircraftState(250, 33, NONE_YET, 1, 2, 40)


def test_each_value_has_the_key_of_the_specification():
    assert ALL.content() == {1: 250, 2: 33, 3: NONE_YET, 4: 1, 5: 2, 6: 40}
    assert AircraftState().content() == {}
    assert read(ALL.content()) == ALL


def test_the_largest_is_a_state_that_a_beat_can_hold():
    largest = AircraftState(NONE_YET, NONE_YET, NONE_YET, 1, 255, NONE_YET).content()
    assert is_state(largest)
    assert len(cose.dumps(largest)) <= STATE_MAX


@pytest.mark.parametrize("said", [{0: 1}, {7: 1}, {1 << 63: 5}, {4: 2}, {5: 256}, {1: 1 << 32}, {2: (1 << 64) - 1}])
def test_what_is_not_known_or_out_of_its_range_is_ignored(said: dict[int, int]):
    assert read(said) == AircraftState()
    assert read({6: 3, **said}) == AircraftState(no_room_per_s=3)
