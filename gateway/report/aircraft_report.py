"""Aircraft report: what an aircraft says about itself as it appears in the status, aboard and at a station."""

from __future__ import annotations

from gateway.core.aircraft_state import NONE_YET, AircraftState
from gateway.report.role_status import AircraftStatus, SourceStatus


def report(state: AircraftState, since_s: float = 0.0) -> AircraftStatus:
    """`since_s`: how long ago the aircraft said it."""
    cameras = {"A": _source(state.video_a_ms, since_s), "B": _source(state.video_b_ms, since_s)}
    return AircraftStatus(
        fc=_source(state.fc_ms, since_s),
        cameras={name: source for name, source in cameras.items() if source},
        card_fails=None if state.card_fails is None else bool(state.card_fails),
        links_down=state.links_down,
        no_room_per_s=state.no_room_per_s,
    )


def _source(age_ms: int | None, since_s: float) -> SourceStatus | None:
    if age_ms is None:
        return None
    return SourceStatus(None if age_ms == NONE_YET else round(age_ms / 1000 + since_s, 1))
