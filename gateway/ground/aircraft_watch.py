"""Aircraft watch: raises and ends the alarms about what aircraft report about themselves. SPEC.md section 5.4, field 12.

Only a session that is open is judged: of one that is silent nothing is known, so its alarms stay as they are. An aircraft
can write anything, also something else in each beat, so an alarm that comes again and again is told only a few times.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from gateway.core.aircraft_state import LITTLE_ROOM_S
from gateway.core.session_state import SessionState
from gateway.report import recording_report
from gateway.report.alarms import Alarms, Reason
from gateway.report.role_status import AircraftStatus, RecordingStatus, SessionStatus

if TYPE_CHECKING:
    from gateway.ground.notices import Notices

SETTLED_AFTER_S = 5.0  # a younger session's flight controller may not have spoken yet
AGAIN_WITHIN_S = 900.0  # a fault that is found again within this time comes and goes
TOLD_EVERY_S = 5.0  # at most, of what is recorded
GONE_FOR_MIN_S, GONE_FOR_MAX_S = 5.0, 600.0  # for how long such a fault must be gone until it is over; doubled each time


class _Fault(NamedTuple):
    reason: Reason
    device: str
    part: str  # the camera, or nothing


@dataclasses.dataclass(slots=True)
class _Course:
    """Of one fault that is there or was."""

    live: bool = False
    found_at: float = float("-inf")  # the last time
    gone_for_s: float = 0.0  # so long until it is over

    def begin(self, now: float) -> None:
        again = now - self.found_at < AGAIN_WITHIN_S
        self.gone_for_s = min(max(2 * self.gone_for_s, GONE_FOR_MIN_S), GONE_FOR_MAX_S) if again else 0.0
        self.live = True

    def is_over(self, now: float) -> bool:
        return self.live and now - self.found_at >= self.gone_for_s


class AircraftWatch:
    """`notices`: None if ground control stations are not told."""

    def __init__(self, alarms: Alarms, notices: Notices | None) -> None:
        self._alarms, self._notices = alarms, notices
        self._courses: defaultdict[_Fault, _Course] = defaultdict(_Course)
        self._recorded: dict[str, tuple[float, str]] = {}  # by device: when a notice told which groups are recorded

    def look(self, sessions: Sequence[SessionStatus], now: float) -> None:
        """Call it about twice a second, with all sessions."""
        judged: dict[str, list[SessionStatus]] = defaultdict(list)
        for session in sessions:
            if session.state is SessionState.OPEN and session.aircraft and (session.age_s or 0) >= SETTLED_AFTER_S:
                judged[session.device].append(session)
        for device, its in judged.items():
            self._judge(device, its, now)
        held = {session.device for session in sessions if session.state is not SessionState.CLOSED}
        for fault, course in self._courses.items():
            if course.live and fault.device not in held:
                self._end(fault, course)

    def _judge(self, device: str, sessions: Sequence[SessionStatus], now: float) -> None:
        """By all open sessions of an aircraft: one of them may be a copy, which can hide no fault of the other."""
        systems = sessions[0].systems
        self._tell_recorded(device, sessions[-1], now)
        found = {
            _Fault(reason, device, part): values
            for session in sessions
            for reason, part, values in (
                *faults(session.aircraft, session.beat_age_s or 0),
                *_recording_faults(session.recording),
            )
        }
        for fault, values in found.items():
            course = self._courses[fault]
            self._raise(fault, values, now)
            if not course.live:
                course.begin(now)
                self._notify(fault, systems, values, now, over=False)
            course.found_at = now
        for fault, course in self._courses.items():
            if fault.device == device and fault not in found and course.is_over(now):
                self._end(fault, course)
                self._notify(fault, systems, {}, now, over=True)

    def _tell_recorded(self, device: str, session: SessionStatus, now: float) -> None:
        """To the ground control stations, if it is not what they were told last; seldom, whatever an aircraft says."""
        if self._notices is None or session.recording is None or not session.recording.key:
            return
        told_at, told = self._recorded.get(device, (float("-inf"), ""))
        text = recording_report.notice(session.recording)
        if text != told and now - told_at >= TOLD_EVERY_S:
            self._recorded[device] = now, text
            self._notices.recorded(session.systems, text, now)

    def _end(self, fault: _Fault, course: _Course) -> None:
        course.live = False
        self._alarms.clear(fault.reason, key=_key(fault))

    def _raise(self, fault: _Fault, values: Mapping[str, object], now: float) -> None:
        key, device = _key(fault), fault.device
        if fault.reason is Reason.NO_FC_ABOARD:
            self._alarms.raise_(Reason.NO_FC_ABOARD, now, key=key, device=device, since=values["since"])
        elif fault.reason is Reason.NO_PICTURE:
            seconds = values["seconds"]
            self._alarms.raise_(Reason.NO_PICTURE, now, key=key, device=device, camera=fault.part, seconds=seconds)
        elif fault.reason is Reason.CARD_FAILS_ABOARD:
            self._alarms.raise_(Reason.CARD_FAILS_ABOARD, now, key=key, device=device)
        elif fault.reason is Reason.NOT_RECORDED_ABOARD:
            self._alarms.raise_(Reason.NOT_RECORDED_ABOARD, now, key=key, device=device, why=values["why"])
        elif fault.reason is Reason.LITTLE_ROOM_ABOARD:
            self._alarms.raise_(Reason.LITTLE_ROOM_ABOARD, now, key=key, device=device, minutes=values["minutes"])
        else:
            self._alarms.raise_(Reason.LINKS_DOWN_ABOARD, now, key=key, device=device, count=values["count"])

    def _notify(
        self, fault: _Fault, systems: Sequence[int], values: Mapping[str, object], now: float, *, over: bool
    ) -> None:
        if self._notices:
            self._notices.send(systems, fault.reason, {**values, "camera": fault.part}, now, over=over)


def _recording_faults(said: RecordingStatus | None) -> Iterator[tuple[Reason, str, dict[str, object]]]:
    if said is None:
        return
    if said.fails:
        yield Reason.NOT_RECORDED_ABOARD, "", {"why": recording_report.why(said)}
    if recording_report.little_room(said):
        yield Reason.LITTLE_ROOM_ABOARD, "", {"minutes": LITTLE_ROOM_S // 60}


def faults(said: AircraftStatus | None, since_s: float) -> Iterator[tuple[Reason, str, dict[str, object]]]:
    """The reason, the camera, and the numbers of the alarm. `since_s`: how long ago the aircraft said it.

    A source that was not silent then is not silent now: if beats are lost, nothing newer is known.
    """
    if said is None:
        return
    if said.fc and said.fc.silent_before(since_s):
        since = "since it was started" if said.fc.age_s is None else f"for {said.fc.age_s:.0f} s"
        yield Reason.NO_FC_ABOARD, "", {"since": since}
    for camera, source in said.cameras.items():
        if source.silent_before(since_s) and source.age_s is not None:  # no camera need be connected
            yield Reason.NO_PICTURE, camera, {"seconds": round(source.age_s)}
    if said.card_fails:
        yield Reason.CARD_FAILS_ABOARD, "", {}
    if said.links_down:
        yield Reason.LINKS_DOWN_ABOARD, "", {"count": said.links_down}


def _key(fault: _Fault) -> str:
    return f"{fault.device}:{fault.part}"
