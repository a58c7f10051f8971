"""Silent cameras: the alarm about each camera that has stopped."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.core.aircraft_state import AircraftState
from gateway.endpoints import Endpoint
from gateway.report import aircraft_report
from gateway.report.alarms import Alarms, Reason


def alarm(alarms: Alarms, cameras: Iterable[Endpoint], state: AircraftState, now: float) -> None:
    """A camera that never sent anything may not be connected, so only one that has stopped is a fault."""
    for camera, source in zip(cameras, aircraft_report.report(state).cameras.values(), strict=False):
        if source.silent and source.age_s is not None:
            seconds, where = round(source.age_s), camera.address
            alarms.raise_(Reason.NO_PICTURE_ABOARD, now, key=where, seconds=seconds, endpoint=where)
        else:
            alarms.clear(Reason.NO_PICTURE_ABOARD, key=camera.address)
