from __future__ import annotations

from typing import Any

import pytest

from gateway.core.aircraft_state import AircraftState
from gateway.report.recording_report import fails, line, notice, report
from gateway.report.role_status import RecordingStatus
from tests.unit.gateway.report.statuses import recording


@pytest.mark.parametrize(
    ("said", "words", "wrong"),
    [
        (recording(), "recording since 14:13 UTC: video A, telemetry; 2 hours of room", False),
        (recording(room_s=None), "recording since 14:13 UTC: video A, telemetry", False),
        (recording(room_s=480), "recording since 14:13 UTC: video A, telemetry; 8 minutes of room", True),
        (recording(groups=[], reason="card_full", room_s=0), "NOT RECORDING: card full", True),
        (
            recording(reason="card_slow"),
            "recording since 14:13 UTC: video A, telemetry; 2 hours of room; NOT ALL IS RECORDED: card slow",
            True,
        ),
        (
            recording(groups=["flight"], paused_by="pilot"),
            "video paused by pilot since 14:13 UTC; recording telemetry; 2 hours of room",
            False,
        ),
        (recording(groups=[], paused_by="pilot"), "the recorder begins", False),
        (recording(key=False, groups=[]), "nothing is recorded: the order has no recording key", False),
    ],
)
def test_what_a_person_reads(said: RecordingStatus, words: str, wrong: bool):
    assert line(said) == words
    assert fails(said) is wrong


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "recording video and telemetry"),
        ({"groups": ["flight"]}, "recording telemetry, no video"),
        ({"groups": ["flight"], "paused_by": "pilot"}, "recording of video is paused"),
        ({"groups": []}, "nothing is recorded"),
    ],
)
def test_what_a_ground_control_station_reads(more: dict[str, Any], words: str):
    assert notice(recording(**more)) == words


def test_what_an_aircraft_may_say_is_always_readable():
    for state in (
        AircraftState(recorded=0b11111, recorded_ms=1 << 31, room_s=1, not_recorded=6, paused_by=15),
        AircraftState(recorded=0),
    ):
        said = report(state, {}, 1.0)
        assert said is not None
        assert line(said).isprintable()
    assert report(AircraftState(), {}, 1.0) is None
