"""Sightings: where each aircraft of the shared grounds is, for the outputs that tell positions.

What lives here: which aircraft there are, and when they were seen. What must not: the forms of outputs.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from gateway import clock
from gateway.endpoints.feed import TELEMETRY
from gateway.endpoints.feed_reader import Published
from gateway.report.role_status import GroundStatus
from gateway.view.aircraft import Aircraft
from gateway.view.fleet import Fleet, LiveAircraft
from gateway.view.telemetry import Position, Value


class Sighting(NamedTuple):
    """One aircraft. `time_us`: when its position came to this station, in Unix time by the clock of this computer."""

    agency: str
    device: str
    session: str
    position: Value[Position]
    time_us: int
    seen: Aircraft


class Sightings:
    """Of the grounds that are shared; a ground that no longer is has to be dropped."""

    def __init__(self) -> None:
        self._fleet = Fleet(lambda *_: None)

    def take(self, ground: str, message: Published) -> None:
        """A message of the feed; only telemetry is used."""
        if message.topic == TELEMETRY:
            self._fleet.take(ground, message, clock.now(), time.time())

    def take_status(self, ground: str, status: GroundStatus) -> None:
        self._fleet.take_status(ground, status, clock.now())

    def drop(self, ground: str) -> None:
        """Nothing of it is told any more."""
        self._fleet.take_status(ground, None, clock.now())
        for key in [key for key in self._fleet.aircraft if key[0] == ground]:
            del self._fleet.aircraft[key]

    def all(self) -> list[Sighting]:
        """Each aircraft once, though several grounds of this computer may hear it: as the last one saw it."""
        now, unix_now = clock.now(), time.time()
        found: dict[tuple[str, str], Sighting] = {}
        for aircraft in self._fleet.aircraft.values():
            one = self._sighting(aircraft, now, unix_now)
            if one is None:
                continue
            other = found.get((one.agency, one.device))
            if other is None or other.position.at < one.position.at:
                found[one.agency, one.device] = one
        return [*found.values()]

    def _sighting(self, aircraft: LiveAircraft, now: float, unix_now: float) -> Sighting | None:
        position, status = aircraft.seen.telemetry.position, self._fleet.grounds.get(aircraft.ground)
        if position is None or status is None:
            return None
        time_us = round((unix_now - (now - position.at)) * 1e6)
        return Sighting(status.agency, aircraft.device, aircraft.session, position, time_us, aircraft.seen)
