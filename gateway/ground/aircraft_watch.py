"""Aircraft watch: raises and ends the alarms about what aircraft report about themselves. SPEC.md section 5.4, field 12.

Only a session that is open is judged: of one that is silent nothing is known, so its alarms stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from gateway.core.session_state import SessionState
from gateway.report.alarms import Alarms, Reason
from gateway.report.role_status import AircraftStatus, SessionStatus

if TYPE_CHECKING:
    from gateway.ground.notices import Notices

SETTLED_AFTER_S = 5.0  # a younger session's flight controller may not have spoken yet


class _Fault(NamedTuple):
    reason: Reason
    device: str
    part: str  # the camera, or nothing


class AircraftWatch:
    """`notices`: None if ground control stations are not told."""

    def __init__(self, alarms: Alarms, notices: Notices | None) -> None:
        self._alarms, self._notices = alarms, notices
        self._live: dict[_Fault, Sequence[int]] = {}  # and the systems of its aircraft

    def look(self, sessions: Iterable[SessionStatus], now: float) -> None:
        """Call it about twice a second, with all sessions."""
        held: set[str] = set()
        for session in sessions:
            if session.state is not SessionState.CLOSED:
                held.add(session.device)
            if session.state is SessionState.OPEN and session.aircraft and (session.age_s or 0) >= SETTLED_AFTER_S:
                self._judge(session, session.aircraft, now)
        for fault in [fault for fault in self._live if fault.device not in held]:
            del self._live[fault]
            self._alarms.clear(fault.reason, key=_key(fault))

    def _judge(self, session: SessionStatus, said: AircraftStatus, now: float) -> None:
        found = {_Fault(reason, session.device, part): values for reason, part, values in faults(said)}
        for fault, values in found.items():
            self._raise(fault, values, now)
            if fault not in self._live:
                self._live[fault] = session.systems
                self._notify(fault, session.systems, values, now, over=False)
        for fault in [fault for fault in self._live if fault.device == session.device and fault not in found]:
            del self._live[fault]
            self._alarms.clear(fault.reason, key=_key(fault))
            self._notify(fault, session.systems, {}, now, over=True)

    def _raise(self, fault: _Fault, values: Mapping[str, object], now: float) -> None:
        key, device = _key(fault), fault.device
        if fault.reason is Reason.NO_FC_ABOARD:
            self._alarms.raise_(Reason.NO_FC_ABOARD, now, key=key, device=device, since=values["since"])
        elif fault.reason is Reason.NO_PICTURE:
            seconds = values["seconds"]
            self._alarms.raise_(Reason.NO_PICTURE, now, key=key, device=device, camera=fault.part, seconds=seconds)
        elif fault.reason is Reason.CARD_FAILS_ABOARD:
            self._alarms.raise_(Reason.CARD_FAILS_ABOARD, now, key=key, device=device)
        else:
            self._alarms.raise_(Reason.LINKS_DOWN_ABOARD, now, key=key, device=device, count=values["count"])

    def _notify(
        self, fault: _Fault, systems: Sequence[int], values: Mapping[str, object], now: float, *, over: bool
    ) -> None:
        if self._notices:
            self._notices.send(systems, fault.reason, {**values, "camera": fault.part}, now, over=over)


def faults(said: AircraftStatus) -> Iterator[tuple[Reason, str, dict[str, object]]]:
    """The reason, the camera, and the numbers of the alarm."""
    if said.fc and said.fc.silent:
        since = "since it was started" if said.fc.age_s is None else f"for {said.fc.age_s:.0f} s"
        yield Reason.NO_FC_ABOARD, "", {"since": since}
    for camera, source in said.cameras.items():
        if source.silent and source.age_s is not None:  # no camera need be connected
            yield Reason.NO_PICTURE, camera, {"seconds": round(source.age_s)}
    if said.card_fails:
        yield Reason.CARD_FAILS_ABOARD, "", {}
    if said.links_down:
        yield Reason.LINKS_DOWN_ABOARD, "", {"count": said.links_down}


def _key(fault: _Fault) -> str:
    return f"{fault.device}:{fault.part}"
