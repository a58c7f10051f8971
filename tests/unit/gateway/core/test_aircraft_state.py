from __future__ import annotations

import pytest

from gateway.core.aircraft_state import NONE_YET, NOTHING_WRITTEN, AircraftState, read
from keys import cose
from keys.beat import STATE_MAX, is_state
from keys.beat_flag import Flag

ALL = AircraftState(250, 33, NONE_YET, 1, 2, 40, 3, 61_000, 7200, 5, 2)


def test_each_value_has_the_key_of_the_specification():
    assert ALL.content() == {1: 250, 2: 33, 3: NONE_YET, 4: 1, 5: 2, 6: 40, 7: 3, 8: 61_000, 9: 7200, 10: 5, 11: 2}
    assert AircraftState().content() == {}
    assert read(ALL.content()) == ALL


def test_the_largest_is_a_state_that_a_beat_can_hold():
    largest = AircraftState(NONE_YET, NONE_YET, NONE_YET, 1, 255, NONE_YET, 31, NONE_YET, NONE_YET, 6, 15).content()
    assert is_state(largest)
    assert len(cose.dumps(largest)) <= STATE_MAX


UNKNOWN: list[dict[int, int]] = [{0: 1}, {12: 1}, {1 << 63: 5}]
OUTSIDE = [{4: 2}, {5: 256}, {1: 1 << 32}, {2: (1 << 64) - 1}, {7: 32}, {8: 1 << 32}, {10: 0}, {10: 7}, {11: 0}, {11: 16}]


@pytest.mark.parametrize("said", UNKNOWN + OUTSIDE)
def test_what_is_not_known_or_out_of_its_range_is_ignored(said: dict[int, int]):
    assert read(said) == AircraftState()
    assert read({6: 3, **said}) == AircraftState(no_room_per_s=3)


@pytest.mark.parametrize(
    ("state", "flags"),
    [
        (AircraftState(), Flag(0)),
        (AircraftState(recorded=0b00001, room_s=NOTHING_WRITTEN), Flag(0)),
        (AircraftState(recorded=0b01001, room_s=600), Flag.VIDEO_RECORDED),
        (AircraftState(recorded=0, not_recorded=1, room_s=599), Flag.RECORDING_FAILS | Flag.LITTLE_ROOM),
    ],
)
def test_the_flags_of_a_beat_say_in_short_what_is_recorded(state: AircraftState, flags: Flag):
    assert state.flags() == flags
