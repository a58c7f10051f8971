from __future__ import annotations

from typing import Any

import pytest

from gateway.core.session_state import SessionState
from gateway.ground.aircraft_watch import SETTLED_AFTER_S, AircraftWatch
from gateway.report.alarms import Alarms, Reason
from gateway.report.role_status import SessionStatus, SourceStatus
from tests.unit.gateway.report.statuses import aircraft, session

FAULTS: list[tuple[dict[str, Any], Reason, str]] = [
    ({"fc": SourceStatus(8.2)}, Reason.NO_FC_ABOARD, "nothing has come from it there for 8 s"),
    ({"fc": SourceStatus(None)}, Reason.NO_FC_ABOARD, "nothing has come from it there since it was started"),
    (
        {"cameras": {"A": SourceStatus(0), "B": SourceStatus(8.2)}},
        Reason.NO_PICTURE,
        "no picture for 8 s: camera B of 'drone-7'",
    ),
    ({"card_fails": True}, Reason.CARD_FAILS_ABOARD, "its card may be full"),
    ({"links_down": 2}, Reason.LINKS_DOWN_ABOARD, "are down aboard: 2"),
]
SOUND: list[dict[str, Any]] = [
    {},
    {"fc": SourceStatus(2.9), "cameras": {"A": SourceStatus(2.9)}},
    {"cameras": {"A": SourceStatus(None)}},  # no camera was ever there
    {"fc": None, "cameras": {}, "card_fails": None, "links_down": None, "no_room_per_s": None},
]


def looked(*told: SessionStatus) -> tuple[Alarms, list[str]]:
    said: list[str] = []
    alarms = Alarms(said.append)
    watch = AircraftWatch(alarms, None)
    for second, status in enumerate(told):
        watch.look([status], float(second))
    return alarms, said


def saying(**more: Any) -> SessionStatus:
    return session(aircraft=aircraft(**more))


@pytest.mark.parametrize(("fault", "reason", "words"), FAULTS)
def test_each_fault_is_an_alarm_until_it_is_over(fault: dict[str, Any], reason: Reason, words: str):
    alarms, said = looked(saying(**fault), saying(**fault))
    assert [*alarms.by_reason()] == [reason.label]
    assert words in alarms.texts[0]
    assert len(said) == 1
    alarms, said = looked(saying(**fault), saying())
    assert alarms.texts == []
    assert said[1].startswith("over: ")


@pytest.mark.parametrize("sound", SOUND)
def test_of_what_is_well_or_not_known_nothing_is_said(sound: dict[str, Any]):
    assert looked(saying(**sound))[1] == []


def test_a_session_that_is_not_open_or_has_just_begun_is_not_judged():
    faulty = aircraft(fc=SourceStatus(None))
    for state in set(SessionState) - {SessionState.OPEN}:
        assert looked(session(state, aircraft=faulty))[1] == []
    assert looked(session(aircraft=faulty, age_s=SETTLED_AFTER_S - 0.1))[1] == []
    assert looked(session(aircraft=None))[1] == []


def test_what_a_silent_aircraft_said_last_stays_and_ends_with_its_session():
    faulty = aircraft(fc=SourceStatus(8.0))
    alarms, _ = looked(session(aircraft=faulty), session(SessionState.SILENT, aircraft=faulty))
    assert len(alarms.texts) == 1
    alarms, _ = looked(session(aircraft=faulty), session(SessionState.CLOSED, aircraft=faulty))
    assert alarms.texts == []
