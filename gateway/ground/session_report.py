"""Session report: how a session at a ground appears in the status and in the log."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from gateway.core import aircraft_state
from gateway.core.aircraft_state import AircraftState
from gateway.core.ground.session import Session
from gateway.core.refusal import Refusal
from gateway.core.session_state import SessionState
from gateway.report import aircraft_report, recording_report, wording
from gateway.report.role_status import RecordingStatus, SessionStatus
from keys.beat_flag import Flag

CLAIM_WITHIN_S = 30  # F2: the clocks of aircraft and ground agree if they differ by no more


class Seen(NamedTuple):
    """What of a session is worth a line of the log when it changes."""

    state: SessionState
    pending: bool
    order_expired: bool
    vendor_has_picture: bool

    @property
    def text(self) -> str:
        return wording.opens(**self._asdict())


def seen(session: Session, station: int, now: float) -> Seen:
    """For the station of this index in the order."""
    expired, vendor = _says(session, Flag.ORDER_EXPIRED), _says(session, Flag.VENDOR_HAS_PICTURE)
    return Seen(session.state(station, now), session.pending, expired, vendor)


def _says(session: Session, flag: Flag) -> bool:
    """By its newest beat."""
    return session.beat is not None and bool(session.beat.flags & flag)


def report(
    session: Session,
    station: int,
    now: float,
    *,
    device: str,
    systems: Sequence[int],
    refusal: Refusal | None,
    open_since: float | None = None,
    commanded_at: float | None = None,
) -> SessionStatus:
    """`device` and `systems`: the aircraft's name and MAVLink system ids; `refusal`: why it is not commanded.

    `open_since`: when it was first in the state OPEN, in which it still is; `commanded_at`: when we last asked it for
    something.
    """
    beat, order = session.beat, session.order.content if session.order else None
    said = aircraft_state.read(beat.state) if beat else None
    claim = beat.unix_time if beat else 0
    return SessionStatus(
        session=session.session_id.hex(),
        device=device,
        systems=[*systems],
        boot_counter=session.boot_counter,
        state=session.state(station, now),
        open_for_s=_since(open_since, now),
        order=order.serial if order else None,
        order_change_ahead=_says(session, Flag.ORDER_CHANGE_AHEAD) if beat else None,
        pending=session.pending,
        refusal=refusal,
        commanded_age_s=_since(commanded_at, now),
        heard=_heard(session),
        epoch=beat.epoch if beat else None,
        key_age_s=_since(session.epoch_at, now) if beat else None,
        next_key_s=_next_key_s(session, now),
        beat_age_s=round(now - session.beat_at, 2) if beat else None,
        late_s=round(session.lateness.lag_s, 2),
        proved=session.proved,
        clock_agrees=abs(claim - time.time()) <= CLAIM_WITHIN_S if claim else None,
        flags=int(beat.flags) if beat else 0,
        vendor_has_picture=_says(session, Flag.VENDOR_HAS_PICTURE) if beat else None,
        age_s=round(beat.session_ms / 1000 + now - session.beat_at, 1) if beat else None,
        aircraft=aircraft_report.report(said, now - session.beat_at) if said else None,
        recording=_recording(session, said, now) if said else None,
    )


def _next_key_s(session: Session, now: float) -> float | None:
    """0 in its beats: it is not announced."""
    ahead_ms = session.beat.ms_to_next if session.beat else 0
    return round(max(0.0, ahead_ms / 1000 - (now - session.beat_at)), 1) if ahead_ms else None


def _since(at: float | None, now: float) -> float | None:
    return None if at is None else round(now - at, 1)


def _names(session: Session) -> dict[int, str]:
    """The stations of its order, by index; empty if that is not here."""
    return {station.index: station.name for station in session.order.content.stations} if session.order else {}


def _heard(session: Session) -> list[str]:
    """The stations whose challenges its newest beat answers; those that no order here lists have no name."""
    names = _names(session)
    return [names[index] for index in sorted(session.beat.challenges) if index in names] if session.beat else []


def _recording(session: Session, said: AircraftState, now: float) -> RecordingStatus | None:
    """An order without a recording key says it before any beat does."""
    order = session.order.content if session.order else None
    if order and not order.recording:
        return recording_report.NO_KEY
    return recording_report.report(said, _names(session), time.time(), now - session.beat_at)
