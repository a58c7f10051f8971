"""What a person sees of `zegel source`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.report import source_status, status, watch
from gateway.report.screen import COLUMNS, Kind, columns_of
from gateway.report.source_status import SourceReport, SourcesStatus, State


def report(**more: Any) -> SourceReport:
    good: dict[str, Any] = {
        "name": "front",
        "lane": "a",
        "way": "run",
        "seen_by": "",
        "state": State.BRINGING,
        "age_s": 0.0,
    }
    counts = {"pictures": 90, "datagrams": 500, "taken": True, "not_taken": 0, "kbit": 4000.0, "restarts": 0}
    return SourceReport(**{**good, **counts, "damage": {}, "telemetry": {}, "last_error": "", **more})


def of(*sources: SourceReport) -> SourcesStatus:
    return SourcesStatus(name="air", uptime_s=60.0, sources=list(sources))


def shown(*sources: SourceReport) -> str:
    return status.text(msgspec.to_builtins(of(*sources)))


def test_all_is_well():
    text = shown(report(), report(name="box", lane="b", way="rtmp", seen_by="dji"))
    assert text.startswith("source air: 2 of 2 bring pictures\n  wrong      nothing\n")
    assert "front by run: pictures, 4.0 Mbit/s, no one else has them" in text
    assert "dji has them in plain before the" in text


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"state": State.WAITING, "age_s": 75.0, "last_error": "ffmpeg ended"}, "brings no picture for 1 minute"),
        ({"state": State.STARTING, "age_s": None}, "source front brings no picture"),
        ({"taken": False, "not_taken": 499}, "no zegel air takes the pictures of source front"),
    ],
)
def test_what_is_wrong_comes_first(more, said):
    assert said in source_status.wrong(of(report(name="good"), report(**more)))
    assert shown(report(**more)).splitlines()[1].startswith("  wrong      ")


def test_no_line_is_longer_than_the_screen_and_a_long_error_leaves_the_rest():
    long = report(state=State.WAITING, last_error="x y " * 200, damage={"pause_in_unit": 3}, restarts=12)
    lines = source_status.lines(of(long, report(lane="b")), COLUMNS, 23)
    assert len(lines) <= 23
    assert all(columns_of(line.text) <= COLUMNS for line in lines)
    assert lines[1].kind is Kind.FAULT
    assert any("lane b" in line.text for line in lines)


def test_a_program_gets_what_is_wrong_too():
    said = status._for_programs(msgspec.to_builtins(of(report(state=State.SILENT, age_s=9.0))))
    assert (said["role"], said["wrong"]) == ("source", "source front brings no picture for 9 seconds")
    assert status._for_programs(msgspec.to_builtins(of(report())))["wrong"] == ""


def test_another_versions_source_is_not_shown():
    assert "another version" in status.text({"role": "source", "name": "air", "sources": 7})


def test_watch_shows_it_like_a_role():
    watched = watch.Watched()
    here = {Path("source-air.1")}
    watched.hear(dict.fromkeys(here, msgspec.to_builtins(of(report()))), here, 0.0)
    text = "\n".join(line.text for line in watched.lines(80, 24, now=0.5, clock="12:00:00"))
    assert "source air: 1 of 1 bring pictures" in text
