"""What operators see and say of a recording, with real processes: aircraft, recorder, stations, `zegel record`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pymavlink.dialects.v20 import all as dialect

from gateway.demo.stage import HOST
from gateway.ground.record_inbox import NOT_PERMITTED
from gateway.recording import opened
from gateway.recording.group import Group, Port
from gateway.recording.leaf import Armed, Close, Gap
from gateway.recording.reason import CloseReason, GapReason
from gateway.report.role_status import AirStatus, GroundStatus, SessionStatus
from gateway.report.status_socket import read_all
from keys.beat_flag import Flag
from tests.system.field import frame
from tests.system.house import zegel
from tests.system.recorded import RecordedFlight

SIGNING = frame(dialect.MAVLink_setup_signing_message(1, 1, bytes(32), 1), 1)
NO_VIDEO = Group.VIDEO_A, Group.VIDEO_B, Group.CAMERA_C, Group.CAMERA_D


def status_of(name: str) -> Any:
    return next((status for status in read_all() if status.name == name), None)


def aboard() -> AirStatus | None:
    return status_of("drone-7")


def at(name: str) -> SessionStatus | None:
    status: GroundStatus | None = status_of(name)
    return next(iter(status.sessions), None) if status else None


def record(flight: RecordedFlight, *words: str) -> tuple[int, str]:
    """The command as a person types it, while the flight goes on: its exit status, and all that it says."""
    command = [sys.executable, "-m", "gateway.cli", "record", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert flight.until(lambda: process.poll() is not None)
    return process.returncode, process.communicate()[0]


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def test_a_pause_is_told_by_status_beat_and_leaf_and_nothing_of_it_is_on_the_card(runtime, tmp_path):
    flight = RecordedFlight(tmp_path, ("pilot", "observer"))
    try:
        numbers = fly_with_a_pause(flight)
    finally:
        flight.end()
    (found,) = flight.ended()
    pictures = {int(content[8:17]) for content in found.of(Port.VIDEO_A)}
    began, before, paused, resumed, after, end = numbers
    assert not pictures & {*range(paused, resumed + 1)}, "nothing of the pause is on the card"
    missing = {*range(began, before), *range(after, end)} - pictures
    assert not missing, (numbers, sorted(missing), found.leaves)
    assert found.session.damage.lines() == []
    assert found.session.close == Close(CloseReason.ENDED)
    gaps = [gap for gap in found.leaves if isinstance(gap, Gap)]
    assert {gap.reason for gap in gaps} == {GapReason.PAUSED}
    assert [(gap.groups, gap.station, gap.to_us > 0) for gap in gaps] == [(NO_VIDEO, 1, False), (NO_VIDEO, 1, True)]
    assert gaps[0].from_us == gaps[1].from_us
    begin, end = (found.session.times.clock(at) for at in (gaps[1].from_us, gaps[1].to_us))
    listed = [line.strip() for line in zegel("recording", "list", flight.card).splitlines() if "NOT RECORDED" in line]
    assert listed == [f"NOT RECORDED: video-a, video-b, camera-c, camera-d {begin} to {end}: paused by station 'pilot'"]
    assert SIGNING not in found.of(Port.TELEMETRY)
    assert [leaf.armed for leaf in found.leaves if isinstance(leaf, Armed)] == [False, True]
    events = [json.loads(content) for content in found.of(Port.EVENT)]
    pause, resume = {"event": "pause", "station": 1}, {"event": "resume", "station": 1}
    assert [each for each in events if each["event"] in ("pause", "resume")] == [pause, resume]
    assert {"event": "armed"} in events


def fly_with_a_pause(flight: RecordedFlight) -> list[int]:
    """The numbers of pictures at its beginning, before the pause, in it, and after it."""
    flight.wait_open()
    assert flight.until(lambda: recorded_at("observer") == ["flight", "video_a"])
    assert flight.until(lambda: bool((own := aboard()) and own.recording.groups == ["flight", "video_a"]))
    assert flight.until(lambda: bool(opened.sessions(flight.card)[0].armed)), "disarmed"
    numbers, flight.armed = [flight.number], True
    flight.sender.sendto(SIGNING, (HOST, flight.fc_port))
    flight.run(3.0)

    numbers.append(flight.number)
    code, said = record(flight, "off", "--station", "observer")
    assert (code, said.splitlines()[0]) == (1, f"zegel: {NOT_PERMITTED}")
    assert record(flight, "off")[1].startswith("zegel: 2 grounds run here: observer, pilot")
    code, said = record(flight, "off", "--station", "pilot")
    assert (code, said.split(";")[0]) == (0, "drone-7: the recording of video is paused")
    numbers.append(flight.number)
    assert flight.until(lambda: recorded_at("observer") == ["flight"])
    paused = (["flight"], "pilot")
    assert flight.until(lambda: bool((own := aboard()) and (own.recording.groups, own.recording.paused_by) == paused))
    assert (seen := at("observer")) is not None
    assert seen.recording is not None
    assert (seen.recording.paused_by, seen.flags & Flag.VIDEO_RECORDED) == ("pilot", 0)
    flight.run(3.0)

    numbers.append(flight.number)
    code, said = record(flight, "on", "--station", "pilot", "--device", "drone-7")
    assert (code, said.split(";")[0]) == (0, "drone-7: video is recorded")
    assert flight.until(lambda: bool((seen := at("observer")) and seen.flags & Flag.VIDEO_RECORDED))
    numbers.append(flight.number)
    flight.run(3.0)
    return [*numbers, flight.number]


def recorded_at(name: str) -> list[str]:
    seen = at(name)
    return seen.recording.groups if seen and seen.recording else []
