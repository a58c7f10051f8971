"""Track: where an aircraft was, for a line on a map. Bounded: the oldest points go first."""

from __future__ import annotations

import itertools
from collections import deque
from typing import NamedTuple

from gateway.view.numbers import meters_between

KEPT = 3600
EVERY_S, EVERY_M = 1.0, 1.0  # a new point only after both
JUMP_M = 5000.0  # further than any aircraft flies between two points: the line does not go there


class Point(NamedTuple):
    lat: float
    lon: float
    time_us: int
    number: int  # higher than that of every earlier point, of this and of other tracks


_NUMBERS = itertools.count(1)


class Track:
    """`reset_us`: when the line began; points before it are of another one."""

    def __init__(self) -> None:
        self.points: deque[Point] = deque(maxlen=KEPT)
        self.reset_us = 0

    def take(self, lat: float, lon: float, time_us: int) -> None:
        if self.points:
            last = self.points[-1]
            moved = meters_between(last[:2], (lat, lon))
            if abs(time_us - last.time_us) < EVERY_S * 1e6 or moved < EVERY_M:
                return
            if moved > JUMP_M:
                self.points.clear()
        if not self.points:
            self.reset_us = time_us
        self.points.append(Point(lat, lon, time_us, next(_NUMBERS)))

    def since(self, number: int) -> list[Point]:
        """The points after that one, oldest first."""
        if not self.points or self.points[-1].number <= number:
            return []
        return [point for point in self.points if point.number > number]
