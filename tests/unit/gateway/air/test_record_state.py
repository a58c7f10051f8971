"""What is recorded, and what is said about it: a real aircraft's session, and a recorder's end of a real socket."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pymavlink.dialects.v20 import common

from gateway.air.record_state import BACK_WITHIN_S, BEGINS_WITHIN_S, CHANGES_BURST, CHANGES_PER_S, RecordState
from gateway.air.recorder_link import Recorder
from gateway.air.recording import Recording
from gateway.core.aircraft_state import NOTHING_WRITTEN, AircraftState
from gateway.recording import handover, pcap
from gateway.recording.group import Group, Port
from gateway.recording.handover import Armed, Clock, Close, Epoch, Session, Sign, Signed, State, Wanted
from gateway.recording.stage import WANTED
from gateway.report.alarms import Alarms
from keys import recording_header
from keys.grant import Profile, generate, public_bytes
from keys.lanes import Role
from keys.order import Policy
from keys.order_station import OrderRecording
from keys.policy import PolicyFlag
from tests.memory_link import OBSERVER, PILOT, World, verified
from tests.unit.gateway.air.test_recorder_link import Peer

KEY = OrderRecording(1, "archive", Profile.X25519, public_bytes(Profile.X25519, generate(Profile.X25519, os.urandom)))
CONTROL = Role.TELEMETRY | Role.CONTROL
ALL = [Group.FLIGHT, Group.VIDEO_A, Group.VIDEO_B]
CAMERAS = "A", "B"


def heartbeat(system: int = 1, component: int = 1, armed: bool = False) -> bytes:
    sender = common.MAVLink(None, srcSystem=system, srcComponent=component)
    return bytes(common.MAVLink_heartbeat_message(2, 3, 128 * armed, 0, 4, 3).pack(sender))


class Aboard:
    """An aircraft under an order, its state, and the recorder that it finds."""

    def __init__(self, folder: Path, *, on_request: bool = False, key: bool = True) -> None:
        self.peer = Peer(folder / "air.sock")
        flags = int(PolicyFlag.VIDEO_ON_REQUEST) if on_request else 0
        self.world = World(roles=(PILOT, OBSERVER, CONTROL), policy=Policy(flags=flags))
        self.order(recording=(KEY,) if key else ())
        self.recording = Recording(CAMERAS)  # type: ignore[arg-type]
        self.time, self.later = 1_790_000_000, 1e6
        recorder = Recorder(["/nonexistent"], folder / "air.sock", "/card")
        self.state = RecordState(self.recording, recorder, lambda: self.time)
        self.recording.link = self.state
        self.begin(0.0)

    def order(self, **changed: object) -> None:
        self.world.order = verified(dataclasses.replace(self.world.order.content, **changed))  # type: ignore[arg-type]

    def begin(self, now: float) -> None:
        self.aircraft = self.world.aircraft(now)
        self.recording.begin(self.aircraft.announcer)

    def joined(self) -> Aboard:
        self.state.tick(0.0)
        self.peer.accept()
        session, wanted, clock = self.peer.told(), self.peer.told(), self.peer.told()
        announcer = self.aircraft.announcer
        assert isinstance(session, Session)
        assert (session.session_id, session.began) == (announcer.session_id, 0.0)
        assert session.order == self.world.order.raw
        assert session.statement == announcer.statement
        assert isinstance(wanted, Wanted)
        assert isinstance(clock, Clock)
        self.wanted = wanted
        return self

    def says(self, now: float, **more: object) -> AircraftState:
        """The state of the next beat after the recorder said this."""
        whole: dict[str, object] = {"groups": ALL, "reason": 0, "text": "", "room_s": 3600, "lost": 0, "bytes_written": 5}
        self.peer.say(State(**{**whole, **more}))  # type: ignore[arg-type]
        self.state.tick(now)
        return self.state.fill(AircraftState(), now)

    def events(self) -> list[dict[str, object]]:
        """Those that wait for the recorder or came to it."""
        self.later += 1.0
        self.recording.hand_over(self.later)
        assert self.peer.end
        data = self.peer.end.recv(handover.MESSAGE_MAX)
        assert data[0] == handover.DATA
        found = [record for record in pcap.read(data, handover.HEAD.size) if record.port == Port.EVENT]
        return [json.loads(record.content) for record in found]

    def structures(self) -> list[handover.FromAir]:
        """Those that came to the recorder."""
        assert self.peer.end
        self.peer.end.settimeout(0)
        found = []
        with contextlib.suppress(BlockingIOError):
            while message := self.peer.end.recv(handover.MESSAGE_MAX):
                found += [handover.from_air(message)] if message[0] == handover.STRUCTURE else []
        return found


@pytest.fixture
def aboard(tmp_path: Path) -> Iterator[Aboard]:
    made = Aboard(tmp_path).joined()
    yield made
    made.peer.close()


@pytest.fixture
def on_request(tmp_path: Path) -> Iterator[Aboard]:
    made = Aboard(tmp_path, on_request=True).joined()
    yield made
    made.peer.close()


def test_without_a_recording_key_there_is_no_recorder_and_the_status_says_why(tmp_path: Path):
    made = Aboard(tmp_path, key=False)
    for second in range(100):
        made.state.tick(float(second))
    assert made.state.link._socket is None
    assert not made.recording.is_on
    assert made.state.fill(AircraftState(), 100.0) == AircraftState()
    status = made.state.status(100.0)
    assert (status.key, status.groups, status.reason) == (False, [], None)
    made.peer.close()


def test_every_beat_says_what_is_recorded(aboard: Aboard):
    assert aboard.wanted == Wanted(0, [*Group], 0)
    assert aboard.says(5.0) == AircraftState(recorded=0b111, recorded_ms=0, room_s=3600)
    assert aboard.says(7.5).recorded_ms == 2500
    assert aboard.says(8.0, groups=[Group.FLIGHT], room_s=None).recorded == 0b1
    assert aboard.says(9.0, groups=[Group.FLIGHT], room_s=None).room_s == NOTHING_WRITTEN
    assert aboard.says(9.0, groups=[], reason=1, room_s=-5) == AircraftState(
        recorded=0, recorded_ms=0, room_s=0, not_recorded=1
    )
    assert aboard.says(9.0, reason=77, room_s=1 << 60).not_recorded is None


def test_no_text_of_a_recorder_is_long_or_controls_a_terminal(aboard: Aboard):
    aboard.says(5.0, reason=3, text="\x1b[2J all is well" * 1000)
    text = aboard.state.status(5.0).text
    assert len(text) == 200
    assert text.isprintable()


def test_video_on_request_is_recorded_from_the_request_to_the_pause(on_request: Aboard):
    assert on_request.wanted == Wanted(0, [Group.FLIGHT], 0)
    on_request.state.asked(1, on=True, now=2.0)
    on_request.state.asked(1, on=True, now=2.5)  # repeated until a beat confirms it
    assert on_request.peer.told() == Wanted(2_000_000, [*Group], 0)
    assert on_request.events() == [{"event": "resume", "station": 1}]
    on_request.state.asked(3, on=False, now=4.0)
    assert on_request.peer.told() == Wanted(4_000_000, [Group.FLIGHT], 3)
    assert on_request.events() == [{"event": "pause", "station": 3}]
    assert on_request.says(5.0, groups=[Group.FLIGHT]).paused_by == 3
    assert on_request.state.status(5.0).paused_by == "station-3"


def test_a_pause_counts_where_video_is_always_recorded(aboard: Aboard):
    aboard.state.asked(1, on=True, now=1.0)
    aboard.state.asked(1, on=False, now=2.0)
    assert aboard.peer.told() == Wanted(2_000_000, [Group.FLIGHT], 1)
    stages = aboard.recording.stages
    wanted = {group: bool(stages._words[at + WANTED]) for group, at in stages._at.items()}
    assert wanted == {group: group is Group.FLIGHT for group in Group}, "nothing of it is kept from now on"


def test_a_pause_outlives_a_change_of_order_that_keeps_its_station(aboard: Aboard):
    aboard.state.asked(1, on=False, now=1.0)
    assert aboard.peer.told() == Wanted(1_000_000, [Group.FLIGHT], 1)
    assert len(aboard.events()) == 1
    aboard.order(serial=2)
    aboard.begin(9.0)
    session, wanted, _ = aboard.peer.told(), aboard.peer.told(), aboard.peer.told()
    assert isinstance(session, Session)
    assert session.session_id == aboard.aircraft.announcer.session_id
    assert wanted == Wanted(0, [Group.FLIGHT], 1)
    assert aboard.events() == [{"event": "order", "serial": 2}]
    stations = aboard.world.order.content.stations
    aboard.order(serial=3, stations=(dataclasses.replace(stations[0], roles=OBSERVER), *stations[1:]))
    aboard.begin(20.0)
    assert [type(aboard.peer.told()), aboard.peer.told()] == [Session, Wanted(0, [*Group], 0)]


def test_a_flood_of_pauses_of_one_station_is_a_few_leaves_and_keeps_no_other_from_being_heard(aboard: Aboard):
    state, told = aboard.state, 0
    for number in range(1000):
        before = state._asked
        state.asked(1, on=bool(number % 2), now=1.0 + number / 1000)
        told += state._asked != before
    assert told == CHANGES_BURST
    state.asked(3, on=False, now=2.0)
    assert state._paused_by is not None
    assert state._paused_by.index == 3
    state.asked(1, on=True, now=2.0)
    assert state._paused_by is not None, "over its budget"
    state.asked(1, on=True, now=2.0 + 1 / CHANGES_PER_S)
    assert state._paused_by is None, "repeated, as a ground does"


def test_a_flood_of_armed_and_disarmed_is_a_few_cuts_and_what_it_ends_with_is_told(aboard: Aboard):
    for number in range(1000):
        aboard.state.heard([heartbeat(armed=bool(number % 2))], 1.0 + number / 1000)
    assert len(aboard.structures()) == CHANGES_BURST
    last = not aboard.state._armed
    aboard.state.heard([heartbeat(armed=last)], 2.0 + 1 / CHANGES_PER_S)
    assert aboard.structures() == [Armed(4_000_000, last)]


def test_an_order_without_a_key_ends_what_was_recorded(aboard: Aboard):
    aboard.order(serial=2, recording=())
    aboard.begin(9.0)
    assert aboard.peer.told() == Close(9_000_000, 2)
    assert aboard.peer.end
    assert aboard.peer.end.recv(100) == b""


def test_armed_is_what_the_autopilot_of_this_system_says(aboard: Aboard):
    strangers = heartbeat(system=2, armed=True), heartbeat(component=154, armed=True), bytes(21)
    for frames in (strangers, [heartbeat()], [heartbeat()], [heartbeat(armed=True)]):
        aboard.state.heard(frames, 3.0)
    assert aboard.peer.told() == Armed(3_000_000, False)
    assert aboard.events() == [{"event": "disarmed"}]
    assert aboard.peer.told() == Armed(3_000_000, True)
    assert aboard.events() == [{"event": "armed"}]


def test_a_rekey_begins_new_recordings(aboard: Aboard):
    announcer, now = aboard.aircraft.announcer, 0.0
    while announcer.epoch == 0:
        now += 1.0
        announcer.datagrams(now)
    aboard.state.tick(now)
    aboard.state.tick(now)
    assert aboard.peer.told() == Epoch(int(now * 1e6))
    assert aboard.events() == [{"event": "rekey", "epoch": 1}]


def test_the_clock_is_told_when_it_is_believed_or_jumps(aboard: Aboard):
    aboard.state.tick(11.0)
    clock = aboard.peer.told()
    assert isinstance(clock, Clock), "the test's time runs faster than the clock of the board"
    assert clock.offset_us
    aboard.time = 0
    aboard.state.tick(22.0)
    assert aboard.peer.told() == Clock(None)


def test_no_recorder_is_an_alarm_once_it_has_had_time_to_begin(tmp_path: Path):
    made = Aboard(tmp_path)
    said: list[str] = []
    alarms = Alarms(said.append)
    made.peer._listener.close()
    for now in (1.0, BEGINS_WITHIN_S - 1):
        made.state.tick(now)
        made.state.alarm(alarms, now)
    assert said == []
    now = BEGINS_WITHIN_S + 1
    made.state.alarm(alarms, now)
    assert made.state.fill(AircraftState(), now) == AircraftState(recorded=0, recorded_ms=int(now * 1000), not_recorded=4)
    assert said[0].startswith("alarm: not all is recorded that should be: no recorder can be reached")


def test_a_folder_that_cannot_be_written_is_told_once_with_what_to_do(aboard: Aboard):
    said: list[str] = []
    alarms, text = Alarms(said.append), "card failed: /card: permission denied"
    for now in (1.0, 2.0):
        aboard.says(now, groups=[], reason=3, text=text, room_s=None, bytes_written=0)
        aboard.state.alarm(alarms, now)
    begins = f"alarm: not all is recorded that should be: {text}; the flight goes on; zegel doctor says what to do"
    assert [line.startswith(begins) for line in said] == [True]
    assert "--record DIR" in said[0]
    assert aboard.state.status(2.0).folder == "/card"


def test_a_recorder_that_is_gone_is_told_when_it_does_not_come_back(aboard: Aboard):
    alarms = Alarms(lambda _: None)
    aboard.says(5.0)
    assert aboard.peer.end
    aboard.peer.end.close()
    aboard.state.tick(6.0)
    assert aboard.state.fill(AircraftState(), 6.0).flags() == 0
    late = 6.0 + BACK_WITHIN_S + 1
    aboard.state.alarm(alarms, late)
    assert "the recorder is gone" in alarms.texts[0]
    aboard.state.tick(late)
    aboard.peer.accept()
    aboard.says(late + 1)
    aboard.state.alarm(alarms, late + 1)
    assert alarms.texts == []


def test_little_room_is_an_alarm(aboard: Aboard):
    alarms = Alarms(lambda _: None)
    aboard.says(5.0, room_s=599)
    aboard.state.alarm(alarms, 5.0)
    assert [*alarms.by_reason()] == ["little_room"]
    aboard.says(6.0, room_s=600)
    aboard.state.alarm(alarms, 6.0)
    assert alarms.texts == []


def test_headers_of_this_session_are_signed_and_nothing_else(aboard: Aboard):
    """A recorder that was taken over gets no signature over another payload."""
    announcer, order = aboard.aircraft.announcer, aboard.world.order
    ours = recording_header.seal(
        order.content, order.order_hash, announcer.session_id, bytes(16), os.urandom(32), 1, 0
    ).payload()
    others = recording_header.seal(order.content, order.order_hash, bytes(16), bytes(16), os.urandom(32), 1, 0).payload()
    for payload in (ours, others, announcer.statement, b"", ours[:-1], ours + b"\0"):
        aboard.peer.say(Sign(payload))
    aboard.state.tick(1.0)
    signed = [aboard.peer.told() for _ in range(6)]
    assert all(isinstance(each, Signed) for each in signed)
    assert [bool(each.message) for each in signed if isinstance(each, Signed)] == [True, *[False] * 5]
    assert isinstance(signed[0], Signed)
    public = Ed25519PublicKey.from_public_bytes(announcer._session_key.public_key().public_bytes_raw())
    assert recording_header.verify(signed[0].message, public).session_id == announcer.session_id
    assert aboard.state.link.rejected == 5


def test_the_end_of_the_process_is_said(aboard: Aboard):
    aboard.recording.close(12.5)
    assert aboard.peer.told() == Close(12_500_000, 1)
