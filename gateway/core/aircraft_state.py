"""Aircraft state: what an aircraft reports about itself in field 12 of its beats. SPEC.md section 5.4.

What lives here: the keys, and the range of each value. What must not: finding the values out (gateway.air), judging
them (gateway.report). An aircraft can write any numbers here, so a reader believes none of them further than it shows them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

NONE_YET = (1 << 32) - 1  # of a time: nothing has come since the aircraft's process began
AGE_MAX_MS = NONE_YET - 1


@dataclasses.dataclass(frozen=True, slots=True)
class AircraftState:
    """In the order of the keys, from 1. None: not known, or there is no such thing aboard.

    Times are in ms since the last MAVLink frame or video datagram.
    """

    fc_ms: int | None = None
    video_a_ms: int | None = None
    video_b_ms: int | None = None
    card_fails: int | None = None  # 1 if the aircraft could not store what it must
    links_down: int | None = None
    no_room_per_s: int | None = None  # frames and video datagrams that were dropped because the links had no room

    def content(self) -> dict[int, int]:
        """As the beat has it."""
        values = (getattr(self, name) for name in self.__slots__)  # dataclasses.astuple copies each value, twice a second
        return {key: value for key, value in enumerate(values, 1) if value is not None}


_MAXIMA = (NONE_YET, NONE_YET, NONE_YET, 1, 255, NONE_YET)  # by key, from 1


def read(content: Mapping[int, int]) -> AircraftState:
    """What a beat says. A key that is not known is ignored, and a value out of its range is as if it were not there."""
    values = (content.get(key) for key in range(1, len(_MAXIMA) + 1))
    return AircraftState(*(_within(value, most) for value, most in zip(values, _MAXIMA, strict=True)))


def _within(value: int | None, most: int) -> int | None:
    return value if value is not None and value <= most else None
