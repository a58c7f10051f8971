"""What a person sees of `zegel console`."""

from __future__ import annotations

import msgspec
import pytest

from gateway.report import console_status, keyless, status
from gateway.report.console_status import ConsoleStatus
from gateway.report.screen import Kind


def said(**more) -> ConsoleStatus:
    fields = {"name": "console", "uptime_s": 61.0, "port": 8088, "viewers": 2, "grounds": ["pilot"], "pictures": 1800}
    rest = {"browser_dropped": 0, "refused": {}, "unexpected": 0, "transcoders": 0, "last_error": ""}
    return ConsoleStatus(**{**fields, **rest, **more})


def text(**more) -> str:
    return status.text(msgspec.to_builtins(said(**more)))


def test_a_console_at_work_has_three_lines():
    shown = text()
    assert shown.startswith("console: 2 browsers, on port 8088 of this computer\n  wrong      nothing\n")
    assert "pilot" in shown
    assert "1800 pictures in 1 minute 1 second" in shown
    assert "refused" not in shown


def test_a_console_without_a_ground_says_what_to_do():
    assert "start zegel ground" in text(grounds=[])
    lines = console_status.lines(said(grounds=[]), 80, 23)
    assert lines[1].kind is Kind.FAULT
    assert status._for_programs(msgspec.to_builtins(said(grounds=[])))["wrong"].startswith("it hears no ground")
    assert console_status.in_a_line(said()) == "2 browsers, grounds pilot"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"browser_dropped": 7}, "7 dropped, a browser was too slow"),
        ({"refused": {"wrong_token": 9, "foreign_host": 1}}, "foreign_host 1, wrong_token 9"),
        ({"unexpected": 2}, "2 datagrams dropped, unexpected"),
        ({"transcoders": 1, "last_error": "ffmpeg ended"}, "1 made to H.264, last error: ffmpeg ended"),
        ({"grounds": ["\x1b[31mred"]}, "\\x1b[31mred"),
    ],
)
def test_what_went_wrong_has_its_words(more, words):
    assert words in " ".join(text(**more).split())


def test_another_versions_console_is_not_shown():
    assert keyless.decoded({"role": "console", "name": "console", "port": "x"}) is None
    assert "another version" in status.text({"role": "console", "name": "console", "port": "x"})
