"""Notices through a real aircraft and a real ground: what its ground control station is told, and only it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymavlink.dialects.v20 import common

from firmware_shims import mavlink, statustext
from gateway import clock
from gateway.core.aircraft_state import NONE_YET
from gateway.demo.stage import drain
from gateway.ground import aircraft_watch
from gateway.ground.notices import WORDS
from gateway.report import recording_report, role_status
from tests.stepped_pair import SteppedPair, stepped_pair

AUTOPILOT = common.MAVLink(None, srcSystem=1, srcComponent=1)
HEARTBEAT = bytes(common.MAVLink_heartbeat_message(2, 3, 0, 0, 4, 3).pack(AUTOPILOT))
ARGUMENTS = {"seconds": 1 << 32, "camera": "A", "count": 255, "why": max(recording_report.WHY.values(), key=len)}


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SteppedPair]:
    monkeypatch.setattr(role_status, "SILENT_AFTER_S", 0.2)
    monkeypatch.setattr(aircraft_watch, "SETTLED_AFTER_S", 0.0)
    with stepped_pair(tmp_path, ground={"notices": True}) as made:
        made.join()
        yield made


def texts(frames: list[bytes]) -> list[tuple[int, int, int, str]]:
    """(system, component, severity, text) of each STATUSTEXT, by pymavlink's own parser."""
    messages = [common.MAVLink(None).parse_buffer(frame) or () for frame in frames]
    return [
        (each.get_srcSystem(), each.get_srcComponent(), each.severity, each.text)
        for found in messages
        for each in found
        if each.get_type() == "STATUSTEXT"
    ]


def test_the_ground_control_station_is_told_that_the_picture_is_gone_and_that_it_is_back(pair: SteppedPair):
    said: list[tuple[int, int, int, str]] = []
    up: list[bytes] = []

    def step(*pictures: bytes) -> None:
        pair.from_fc(HEARTBEAT)
        pair.from_camera(*pictures)
        pair.step()
        up.extend(drain(pair.fc))
        said.extend(texts(drain(pair.gcs)))

    for _ in range(20):
        step(b"a picture")
    pair.until(lambda: any("no picture" in each[3] for each in said), step)
    pair.until(lambda: any("picture is back" in each[3] for each in said), lambda: step(b"a picture"))
    assert {each[:2] for each in said} == {(1, statustext.UDP_BRIDGE)}
    gone, back = (
        next(each for each in said if words in each[3]) for words in ("no picture for", "picture is back (video A)")
    )
    assert (gone[2], back[2]) == (common.MAV_SEVERITY_WARNING, common.MAV_SEVERITY_NOTICE)
    assert all(each[3].startswith("zegel: ") for each in said)
    assert texts(up) == [], "a notice goes up the link never"


def test_a_link_that_loses_beats_is_no_fault_aboard(pair: SteppedPair):
    """The aircraft's flight controller and camera go on; nothing of that comes here, for longer than they may be silent."""
    said: list[tuple[int, int, int, str]] = []

    def step(*, lost: bool) -> None:
        pair.from_fc(HEARTBEAT)
        pair.from_camera(b"a picture")
        pair.turn(pair.air)
        if lost:
            pair.on_air()
        pair.carry()
        pair.turn(pair.ground)
        said.extend(texts(drain(pair.gcs)))

    (session,) = pair.ground.listener.sessions.values()
    pair.until(lambda: session.beat.state.get(2) not in {None, NONE_YET}, lambda: step(lost=False))
    last = session.beat.seq
    until = time.monotonic() + 1.5  # the ground looks twice a second, and the session is open for twice as long
    pair.until(lambda: time.monotonic() > until, lambda: step(lost=True))
    assert session.seq == last
    assert session.alive(clock.now())
    assert said == []


def test_every_notice_fits_one_message_and_is_whole_mavlink():
    speaker = statustext.Speaker()
    for begins, ends in WORDS.values():
        for words in (begins, ends):
            frame = speaker.frame(7, statustext.WARNING, f"zegel: {words.format_map(ARGUMENTS)}")
            assert mavlink.Framer().feed(frame) == [frame]
    assert frame[4] == 2 * len(WORDS) - 1, "each has its own sequence number"


def test_without_notices_no_dialect_is_loaded_and_no_frame_is_made(tmp_path: Path):
    with stepped_pair(tmp_path) as made:
        assert made.ground._aircraft._notices is None


@pytest.mark.parametrize("text", ["x" * (statustext.TEXT_MAX + 1), "café"])
def test_a_text_that_does_not_fit_is_no_frame(text: str):
    with pytest.raises(ValueError, match=r"STATUSTEXT|ascii"):
        statustext.Speaker().frame(1, statustext.NOTICE, text)
