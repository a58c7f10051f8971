from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from gateway.core.aircraft_state import NONE_YET
from gateway.core.ground.session import ALIVE_FOR_S, LATE_S, Session
from gateway.core.session_state import SessionState
from gateway.ground.session_report import report, seen
from gateway.report import recording_report
from gateway.report.role_status import SessionStatus, SourceStatus
from keys.announcement import Grant
from keys.beat import Beat
from keys.beat_flag import Flag
from keys.grant import Profile
from keys.lanes import Lane, downlink_kid
from keys.order import VerifiedOrder
from keys.order_station import OrderRecording
from keys.statement import Statement
from tests.memory_link import World
from tests.unit.gateway.report.statuses import aircraft, recording

STATED = Statement(bytes(32), 0, bytes(32), 5, 0)
KID = downlink_kid(Lane.VIDEO_A, STATED.session_id(), 0)
US = 1
ORDER = World().order


def beat(seq: int = 1, sent: float = 0.0, flags: int = 0, stations: tuple[int, ...] = (US,)) -> Beat:
    listed = {index: [bytes(16)] for index in stations}
    return Beat(STATED.session_id(), seq, bytes(8), 0, {KID: 0}, 0, {}, listed, 0, flags, int(sent * 1000), {})


def heard(*beats: Beat, granted: bool = True, order: VerifiedOrder | None = ORDER) -> Session:
    session = Session(STATED, b"device", order)
    for one in beats:
        session.hear(one, b"", one.session_ms / 1000)
    if granted:
        session.install(0, Grant({KID: bytes(32)}, bytes(32)))
    return session


def told(session: Session, now: float = 0.0) -> SessionStatus:
    return report(session, US, now, device="drone-7", systems=[1], refusal=None)


@pytest.mark.parametrize(
    ("session", "now", "said"),
    [
        (Session(STATED, b"device"), 0.0, (SessionState.STATED, True, False, False)),
        (heard(beat(), granted=False), 0.0, (SessionState.BEATING, False, False, False)),
        (heard(beat(stations=(2,)), granted=False), 0.0, (SessionState.UNLISTED, False, False, False)),
        (heard(beat()), 0.0, (SessionState.OPEN, False, False, False)),
        (heard(beat(flags=Flag.ORDER_EXPIRED)), 0.0, (SessionState.OPEN, False, True, False)),
        (heard(beat(flags=Flag.VENDOR_HAS_PICTURE)), 0.0, (SessionState.OPEN, False, False, True)),
        (heard(beat()), ALIVE_FOR_S, (SessionState.SILENT, False, False, False)),
        (heard(beat(flags=Flag.SESSION_CLOSED)), 0.0, (SessionState.CLOSED, False, False, False)),
    ],
)
def test_the_log_and_the_status_see_the_same_of_a_session(session: Session, now: float, said: tuple[object, ...]):
    status = told(session, now)
    vendor = bool(status.vendor_has_picture)
    assert seen(session, US, now) == (status.state, status.pending, status.order_expired, vendor) == said


def test_a_session_without_an_answer_is_unproved():
    session = heard(beat())
    assert not told(session).proved
    session.proved = True
    assert told(session).proved


@pytest.mark.parametrize(("claim", "agrees"), [(0, None), (1_000_030, True), (999_970, True), (1_000_031, False)])
def test_what_an_aircraft_claims_of_the_time_is_shown_and_no_more(monkeypatch, claim: int, agrees: bool | None):
    monkeypatch.setattr("time.time", lambda: 1_000_000)
    session = heard(dataclasses.replace(beat(), unix_time=claim))
    assert told(session).clock_agrees is agrees
    assert told(session).state is SessionState.OPEN
    assert [lease.lane for lease in session.leases(0.0)] == [Lane.VIDEO_A]


def test_a_link_that_became_slow_is_told_with_its_delay():
    session, late = heard(beat()), 4.0 + LATE_S
    assert session.is_late(beat(2, sent=2.0), 2.0 + late)
    status = told(session, 2.0 + late)
    assert status.state is SessionState.DELAYED
    assert status.late_s == pytest.approx(6.0, abs=0.02)
    assert told(session, 2.1 + late + ALIVE_FOR_S).state is SessionState.SILENT


def test_what_an_aircraft_said_of_itself_grows_older_with_its_beat():
    session = heard(dataclasses.replace(beat(), state={1: 500, 2: 8_000, 3: NONE_YET, 4: 7, 5: 1, 99: 3}))
    said = told(session, 1.5).aircraft
    assert said == aircraft(
        fc=SourceStatus(2.0),
        cameras={"A": SourceStatus(9.5), "B": SourceStatus(None)},
        card_fails=None,
        links_down=1,
        no_room_per_s=None,
    )
    assert told(heard(beat())).aircraft == aircraft(
        fc=None, cameras={}, card_fails=None, links_down=None, no_room_per_s=None
    )


KEY = OrderRecording(1, "archive", Profile.X25519, bytes(32))
RECORDED = dataclasses.replace(ORDER, content=dataclasses.replace(ORDER.content, recording=(KEY,)))


def test_what_is_recorded_is_said_since_when_and_by_whose_pause(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("time.time", lambda: 1_790_000_100.0)
    says = dataclasses.replace(beat(), state={7: 0b1, 8: 60_000, 9: 7200, 11: 2})
    assert told(heard(says, order=RECORDED), 1.0).recording == recording(
        groups=["flight"], since=1_790_000_039, paused_by="station-2"
    )
    fails = dataclasses.replace(beat(), state={7: 0, 8: 0, 9: NONE_YET, 10: 1, 11: 9})
    assert told(heard(fails, order=RECORDED)).recording == recording(
        groups=[], since=1_790_000_100, room_s=None, reason="card_full", paused_by="station 9"
    )


def test_a_beat_without_these_keys_says_nothing_of_recording_and_an_order_without_a_key_does():
    assert told(heard(beat(), order=RECORDED)).recording is None
    assert told(heard(beat())).recording == recording_report.NO_KEY


def sent(seq: int, at: float, epoch: int = 0, **more: Any) -> Beat:
    return dataclasses.replace(beat(seq, at), epoch=epoch, **more)


def test_the_age_of_the_keys_is_told_if_their_beginning_was_heard():
    assert told(Session(STATED, b"device")).key_age_s is None
    assert told(heard(sent(1, 9.0)), 10.0).key_age_s == 10.0
    assert told(heard(sent(1, 9.0, epoch=3)), 10.0).key_age_s is None
    assert told(heard(sent(1, 9.0), sent(2, 9.5, epoch=1)), 10.0).key_age_s == 0.5
    assert told(heard(sent(1, 1.0), sent(2, 9.5, epoch=1)), 10.0).key_age_s is None, "it began at any time between"


def test_the_next_keys_are_told_as_soon_as_they_are_announced():
    assert told(heard(sent(1, 9.0)), 10.0).next_key_s is None
    assert told(heard(sent(1, 9.0, ms_to_next=5000)), 10.0).next_key_s == 4.0
    assert told(heard(sent(1, 9.0, ms_to_next=500)), 10.0).next_key_s == 0.0


def test_the_order_of_a_session_and_whether_another_is_announced():
    without = Session(STATED, b"device")
    assert (told(without).order, told(without).order_change_ahead) == (None, None)
    assert (told(heard(beat())).order, told(heard(beat())).order_change_ahead) == (ORDER.content.serial, False)
    assert told(heard(beat(flags=Flag.ORDER_CHANGE_AHEAD))).order_change_ahead


def test_the_stations_that_an_aircraft_hears_have_the_names_of_its_order():
    challenged = {index: bytes(8) for index in (1, 2, 9)}
    assert told(heard(sent(1, 0.0, challenges=challenged))).heard == ["station-1", "station-2"]
    assert told(heard(sent(1, 0.0, challenges=challenged), order=None)).heard == []


def test_times_since_are_told_or_are_unknown():
    session = heard(beat())
    assert (told(session).open_for_s, told(session).commanded_age_s) == (None, None)
    said = report(session, US, 7.0, device="", systems=[], refusal=None, open_since=4.0, commanded_at=5.0)
    assert (said.open_for_s, said.commanded_age_s) == (3.0, 2.0)
