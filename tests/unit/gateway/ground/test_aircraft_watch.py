from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from gateway.core.session_state import SessionState
from gateway.ground.aircraft_watch import AGAIN_WITHIN_S, SETTLED_AFTER_S, AircraftWatch
from gateway.ground.notices import Notices
from gateway.report.alarms import Alarms, Reason
from gateway.report.role_status import SessionStatus, SourceStatus
from tests.unit.gateway.report.statuses import aircraft, recording, session

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
    {"fc": SourceStatus(3.1), "cameras": {"A": SourceStatus(3.1)}},  # as a beat said that is 0.2 s old
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


def test_beats_that_are_lost_make_no_source_silent():
    sources = {"fc": SourceStatus(3.7), "cameras": {"A": SourceStatus(3.0)}}
    assert looked(session(beat_age_s=2.9, aircraft=aircraft(**sources)))[1] == []
    assert len(looked(session(beat_age_s=0.6, aircraft=aircraft(**sources)))[1]) == 1


def test_of_two_sessions_of_one_aircraft_every_fault_counts():
    """One of them is a copy, which says something else."""
    said: list[str] = []
    watch = AircraftWatch(Alarms(said.append), None)
    for second in range(10):
        watch.look([saying(card_fails=True), saying(), saying(links_down=1)], float(second))
    assert len(said) == 2


def test_an_aircraft_that_says_something_else_in_each_beat_causes_few_lines():
    """Other numbers each time would make each line a new one to the log, until it prints nothing else."""
    said: list[str] = []
    alarms = Alarms(said.append)
    watch = AircraftWatch(alarms, None)
    beats = int(3600 / 0.5)
    for beat in range(beats):
        watch.look([saying(fc=SourceStatus(100.0 + beat)) if beat % 2 else saying()], beat / 2)
        if beat % 2:
            assert alarms.texts
    assert len(said) <= 25
    assert said[0].startswith("alarm: ")
    assert said[1].startswith("over: "), "the first end is told at once"
    said.clear()
    for now in (2 * AGAIN_WITHIN_S, 2 * AGAIN_WITHIN_S + 1):
        watch.look([saying()], beats + now)
    watch.look([saying(card_fails=True)], beats + now)
    watch.look([saying()], beats + now + 0.5)
    assert said[-1].startswith("over: "), "of another fault the first end is told at once too"


@pytest.mark.parametrize(
    ("said", "reason", "words"),
    [
        ({"reason": "card_full", "groups": []}, Reason.NOT_RECORDED_ABOARD, "'drone-7' does not record all that it"),
        ({"room_s": 599}, Reason.LITTLE_ROOM_ABOARD, "the card of 'drone-7' has room for less than 10 minutes"),
    ],
)
def test_what_is_not_recorded_is_an_alarm_until_it_is(said: dict[str, Any], reason: Reason, words: str):
    alarms, _ = looked(session(recording=recording(**said)))
    assert [*alarms.by_reason()] == [reason.label]
    assert words in alarms.texts[0]
    assert looked(session(recording=recording(**said)), session())[0].texts == []
    assert looked(session(recording=None))[0].texts == []


def test_what_is_recorded_is_told_when_it_changes_and_seldom():
    told: list[tuple[float, str]] = []

    class Told(Notices):
        def recorded(self, systems: Iterable[int], text: str, now: float) -> None:
            assert [*systems] == [1]
            told.append((now, text))

    watch = AircraftWatch(Alarms(lambda _: None), Told([]))
    paused, well = recording(groups=["flight"], paused_by="pilot"), recording()
    for second, said in enumerate([well, well, paused, well, paused, paused, paused, paused, paused, recording(key=False)]):
        watch.look([session(recording=said)], float(second))
    assert told == [(0.0, "recording video and telemetry"), (5.0, "recording of video is paused")]
