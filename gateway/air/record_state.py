"""Record state: what of a flight is recorded, because of the order, the stations and the card; and what is said about it.

    begin     a session: its order says whether anything is recorded, and whether video only on request
    asked     a station asks for video or pauses it (lane 17, type 3); the last one counts
    heard     the autopilot's HEARTBEAT says armed or disarmed
    look      the recorder's answers become field 12 of the beats, the status and the alarms

What must not live here: the connection (recorder_link.py), data (gateway.recording.stage). SPEC.md sections 5.4 and 8.
"""

from __future__ import annotations

import dataclasses
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from importlib.metadata import version

import msgspec

from firmware_shims import heartbeat
from gateway.air.events import Events
from gateway.air.recorder_link import Recorder, RecorderLink
from gateway.air.recording import Recording
from gateway.core.air.announcer import Announcer
from gateway.core.air.uplink_opener import MAY_CONTROL
from gateway.core.aircraft_state import AGE_MAX_MS, LITTLE_ROOM_S, NOTHING_WRITTEN, ROOM_MAX_S, AircraftState
from gateway.core.budget import Budget
from gateway.recording.event import Event
from gateway.recording.group import Group
from gateway.recording.handover import Armed, Clock, Close, Epoch, Session, Wanted
from gateway.recording.reason import CloseReason, GapReason
from gateway.report import recording_report
from gateway.report.alarms import ARGUMENT_MAX, Alarms, Reason
from gateway.report.log import say
from gateway.report.role_status import RecordingStatus
from keys.order_station import OrderStation
from keys.policy import PolicyFlag
from keys.printable import printable

BEGINS_WITHIN_S = 15.0  # a recorder that is loaded for so long is no fault yet; what flies waits in memory meanwhile
BACK_WITHIN_S = 5.0  # one that was lost
CLOCK_EVERY_S = 10.0
CLOCK_MOVED_US = 100_000
# Each change is a leaf, and one of the armed state is a cut too: no sender fills the log or the card with them.
CHANGES_PER_S, CHANGES_BURST = 0.5, 10.0
AUTOPILOT = 0  # is no index of a station
HEARTBEAT_SIZES = (17, 21, 34)  # bytes of a frame: MAVLink 1, 2, and with a signature
FAILURES = (GapReason.CARD_FULL, GapReason.CARD_SLOW, GapReason.CARD_FAILED, GapReason.RECORDER_RESTARTED)


class RecordState:
    """`claim`: the time of the board's clock, in Unix seconds; 0 if it is not believed.

    `events`  what happens aboard, for the recording
    """

    def __init__(
        self,
        recording: Recording,
        recorder: Recorder,
        claim: Callable[[], int],
        system_id: int = heartbeat.SYSTEM,
    ) -> None:
        self._recording, self._claim, self._system_id = recording, claim, system_id
        self.events = Events(recording.event)
        self._folder = recorder.folder
        self.link = RecorderLink(recorder, self._signed, recording.stages, lambda text: say("air", text))
        self.has_key = False  # the order has a recording key
        self._announcer: Announcer | None = None
        self._on_request = False
        self._asked: tuple[OrderStation, bool] | None = None  # by whom, and whether video is recorded
        self._armed: bool | None = None  # None: no autopilot has said it
        self._changes = defaultdict[int, Budget](lambda: Budget(CHANGES_PER_S, CHANGES_BURST))  # of each station
        self._epoch, self._clock_at = 0, 0.0
        self._clock_us: int | None = None
        self._groups, self._groups_at, self._lost_at = 0, 0.0, 0.0

    def begin(self, announcer: Announcer) -> None:
        """A session; the recorder hears of it before anything else of the session."""
        first, now = self._announcer is None, announcer.began
        ended_us = 0 if first else self._mono_us(now)
        self._announcer, self._epoch, order = announcer, announcer.epoch, announcer.order
        was, self.has_key = self.has_key, bool(order.content.recording)
        self._on_request = bool(order.content.policy.flags & PolicyFlag.VIDEO_ON_REQUEST)
        self._asked = self._still_listed()
        if not self.has_key:
            self.link.end(*([Close(ended_us, CloseReason.OTHER_ORDER)] if was else []))
            return
        if not was:
            self._lost_at = now + BEGINS_WITHIN_S - BACK_WITHIN_S
        self._recording.want(self._groups_wanted)
        session = Session(announcer.session_id, announcer.began, order.raw, announcer.statement, version("zegel"))
        armed = [] if self._armed is None else [Armed(0, self._armed)]
        self.link.begin(session, self._wanted(0), self._clock(now), *armed)
        if not first:
            self.events.tell(Event.ORDER, now, serial=order.content.serial)

    def _still_listed(self) -> tuple[OrderStation, bool] | None:
        """The last request, if this order still lists its station."""
        if self._asked is None or self._announcer is None:
            return None
        station, on = self._asked
        return next(
            (
                (listed, on)
                for listed in self._announcer.order.content.stations
                if (listed.index, listed.pub) == (station.index, station.pub) and listed.roles & MAY_CONTROL
            ),
            None,
        )

    def close(self, now: float) -> None:
        """The process ends."""
        if self.has_key:
            self.link.end(Close(self._mono_us(now), CloseReason.ENDED))

    def asked(self, index: int, *, on: bool, now: float) -> None:
        """A station that may do so asks for video, or pauses it. It repeats that until a beat tells it, also what is over
        the budget."""
        if self._announcer is None:
            return
        station = next(each for each in self._announcer.order.content.stations if each.index == index)
        if self._asked == (station, on) or not self._changes[index].spend(now):
            return
        before, self._asked = self._wanted(0), (station, on)
        if not self.has_key or self._wanted(0) == before:
            return
        self._recording.want(self._groups_wanted)
        self.link.tell(self._wanted(self._mono_us(now)))
        self.events.tell(Event.RESUME if on else Event.PAUSE, now, index)

    def heard(self, frames: Iterable[bytes], now: float) -> None:
        """Frames of the flight controller."""
        for frame in frames if self.has_key else ():
            if len(frame) in HEARTBEAT_SIZES and (said := heartbeat.read(frame)):
                self._hear(said, now)

    def _hear(self, said: heartbeat.Heartbeat, now: float) -> None:
        own = said.from_autopilot and (said.sysid, said.compid) == (self._system_id, heartbeat.AUTOPILOT)
        if not own or said.armed == self._armed or not self._changes[AUTOPILOT].spend(now):
            return  # over the budget: the next heartbeat says it again
        self._armed = said.armed
        if self.has_key:
            self.link.tell(Armed(self._mono_us(now), said.armed))
        self.events.tell(Event.ARMED if said.armed else Event.DISARMED, now)

    @property
    def _groups_wanted(self) -> set[Group]:
        """What is to be recorded, of what there is: a camera that is not there is no gap."""
        wants_video = self._asked[1] if self._asked else not self._on_request
        return {*Group} if wants_video else {Group.FLIGHT}

    @property
    def _paused_by(self) -> OrderStation | None:
        return self._asked[0] if self._asked and not self._asked[1] else None

    def _wanted(self, mono_us: int) -> Wanted:
        paused_by = self._paused_by
        return Wanted(mono_us, sorted(self._groups_wanted), paused_by.index if paused_by else 0)

    def _mono_us(self, now: float) -> int:
        assert self._announcer is not None
        return max(0, int((now - self._announcer.began) * 1e6))

    def _signed(self, payload: bytes) -> bytes:
        return self._announcer.sign_recording(payload) if self._announcer else b""

    # --- upkeep ---

    def tick(self, now: float) -> None:
        """The upkeep, some times a second."""
        if not self.has_key or self._announcer is None:
            return
        if self._announcer.epoch != self._epoch:
            self._epoch = self._announcer.epoch
            self.link.tell(Epoch(self._mono_us(now)), lasting=False)
            self.events.tell(Event.REKEY, now, epoch=self._epoch)
        if now >= self._clock_at:
            before = self._clock_us
            clock = self._clock(now)
            if _differ(before, clock.offset_us):
                self.link.tell(clock)
        self.link.look(now)
        if self.link.said:
            self._lost_at = now
        groups = 0
        for group in self._groups_wanted.intersection(self.link.said.groups if self.link.said else ()):
            groups |= 1 << group - 1
        if groups != self._groups:
            self._groups, self._groups_at = groups, now

    def _clock(self, now: float) -> Clock:
        """What the aircraft claims now."""
        self._clock_at = now + CLOCK_EVERY_S
        self._clock_us = int(time.time() * 1e6) - self._mono_us(now) if self._claim() else None
        return Clock(self._clock_us)

    # --- what is said about it ---

    def fill(self, state: AircraftState, now: float) -> AircraftState:
        """With keys 7 to 11 of field 12."""
        if not self.has_key:
            return state
        said, reason, paused_by = self.link.said, self._reason(now), self._paused_by
        room_s = None
        if said:
            room_s = NOTHING_WRITTEN if said.room_s is None else min(max(said.room_s, 0), ROOM_MAX_S)
        return dataclasses.replace(
            state,
            recorded=self._groups,
            recorded_ms=min(max(0, int((now - self._groups_at) * 1000)), AGE_MAX_MS),
            room_s=room_s,
            not_recorded=reason.value if reason else None,
            paused_by=paused_by.index if paused_by else None,
        )

    def _reason(self, now: float) -> GapReason | None:
        """Why something that should be recorded is not."""
        if self.link.said is None:
            return GapReason.RECORDER_RESTARTED if now - self._lost_at > BACK_WITHIN_S else None
        return next((reason for reason in FAILURES if reason == self.link.said.reason), None)

    def alarm(self, alarms: Alarms, now: float) -> None:
        """Raise the alarms whose reason holds, and end the others."""
        said = self.status(now)
        if said.fails:
            alarms.raise_(Reason.NOT_RECORDED, now, why=recording_report.cause(said), cure=recording_report.cure(said))
        else:
            alarms.clear(Reason.NOT_RECORDED)
        if recording_report.little_room(said):
            alarms.raise_(Reason.LITTLE_ROOM, now, minutes=LITTLE_ROOM_S // 60)
        else:
            alarms.clear(Reason.LITTLE_ROOM)

    def status(self, now: float) -> RecordingStatus:
        """For people and programs aboard."""
        if not self.has_key:
            return recording_report.NO_KEY
        order = self._announcer.order.content if self._announcer else None
        names = {station.index: station.name for station in order.stations} if order else {}
        report = recording_report.report(self.fill(AircraftState(), now), names, time.time())
        assert report is not None
        said = self.link.said
        text = printable(said.text, ARGUMENT_MAX) if said else self.link.trouble
        lost, written = (said.lost, said.bytes_written) if said else (None, None)
        return msgspec.structs.replace(report, folder=self._folder, text=text, lost=lost, bytes_written=written)


def _differ(one: int | None, other: int | None) -> bool:
    if one is None or other is None:
        return one is not other
    return abs(one - other) > CLOCK_MOVED_US
