"""Aircraft state: what an aircraft reports about itself in field 12 of its beats. SPEC.md section 5.4.

What lives here: the keys, and the range of each value. What must not: finding the values out (gateway.air), judging
them (gateway.report). An aircraft can write any numbers here, so a reader believes none of them further than it shows them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from keys.beat_flag import Flag
from keys.lanes import STATIONS_MAX

NONE_YET = (1 << 32) - 1  # of a time: nothing has come since the aircraft's process began
AGE_MAX_MS = NONE_YET - 1
NOTHING_WRITTEN = NONE_YET  # of the room: no rate is known
ROOM_MAX_S = NOTHING_WRITTEN - 1
FLIGHT_RECORDED = 1  # bit 0 of the groups; bits 1 to 4 are video
GROUPS_MAX = (1 << 5) - 1
GAP_REASON_MAX = 6
LITTLE_ROOM_S = 600


@dataclasses.dataclass(frozen=True, slots=True)
class AircraftState:
    """In the order of the keys, from 1. None: not known, or there is no such thing aboard.

    The first three times are in ms since the last MAVLink frame or video datagram.
    """

    fc_ms: int | None = None
    video_a_ms: int | None = None
    video_b_ms: int | None = None
    card_fails: int | None = None  # 1 if the aircraft could not store what it must
    links_down: int | None = None
    no_room_per_s: int | None = None  # frames and video datagrams that were dropped because the links had no room
    recorded: int | None = None  # the groups, bit group - 1; None without a recording key
    recorded_ms: int | None = None  # since that has its value
    room_s: int | None = None  # on the card, at the rate of the last minute
    not_recorded: int | None = None  # the reason of the gap, if something is not recorded that should be
    paused_by: int | None = None  # the station whose pause is in force

    def content(self) -> dict[int, int]:
        """As the beat has it."""
        values = (getattr(self, name) for name in self.__slots__)  # dataclasses.astuple copies each value, twice a second
        return {key: value for key, value in enumerate(values, 1) if value is not None}

    def flags(self) -> Flag:
        """What a beat with this state says by its flags too, for a ground that reads no more of it."""
        found = Flag(0)
        if (self.recorded or 0) & ~FLIGHT_RECORDED:
            found |= Flag.VIDEO_RECORDED
        if self.not_recorded:
            found |= Flag.RECORDING_FAILS
        if self.room_s is not None and self.room_s < LITTLE_ROOM_S:
            found |= Flag.LITTLE_ROOM
        return found


_TIME = (0, NONE_YET)
_RANGES = (  # by key, from 1
    *(_TIME, _TIME, _TIME, (0, 1), (0, 255), _TIME),
    *((0, GROUPS_MAX), _TIME, _TIME, (1, GAP_REASON_MAX), (1, STATIONS_MAX)),
)


def read(content: Mapping[int, int]) -> AircraftState:
    """What a beat says. A key that is not known is ignored, and a value out of its range is as if it were not there."""
    values = (content.get(key) for key in range(1, len(_RANGES) + 1))
    return AircraftState(*(_within(value, *between) for value, between in zip(values, _RANGES, strict=True)))


def _within(value: int | None, least: int, most: int) -> int | None:
    return value if value is not None and least <= value <= most else None
