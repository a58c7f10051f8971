from __future__ import annotations

import pty
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import cli
from gateway.report.role_status import Status, encoded
from gateway.report.screen import columns_of
from gateway.report.watch import NONE_YET, QUIET_AFTER_S, ROLES_MAX, Watched
from tests.unit.gateway.report.statuses import air, ground

HERE, THERE = Path("ground-pilot.1"), Path("ground-pilot.2")


def said(*statuses: Status) -> dict[Path, dict]:
    return {Path(f"{status.role}-{status.name}.1"): encoded(status) for status in statuses}


def shown(watched: Watched, now: float = 0.0, rows: int = 24, columns: int = 80) -> str:
    return "\n".join(line.text for line in watched.lines(columns, rows, now=now, clock="21:14:05"))


def test_the_clock_shows_that_it_is_of_now():
    watched = Watched()
    watched.hear(said(ground()), {HERE}, 0.0)
    head = shown(watched).splitlines()[0]
    assert (head.startswith("ground pilot: open "), head.endswith(" 21:14:05"), len(head)) == (True, True, 80)


@pytest.mark.parametrize("count", [10, 100])
def test_a_wide_name_and_the_clock_fit_on_the_first_line(count):
    watched = Watched()
    watched.hear({HERE: encoded(ground(name="\u754c" * count))}, {HERE}, 0.0)
    head = shown(watched).splitlines()[0]
    assert columns_of(head) <= 80
    assert head.endswith(" 21:14:05" if count == 10 else "...")


def test_before_the_first_starts_it_waits():
    assert NONE_YET in shown(Watched())
    assert "not running here, and shown once it starts: pilot, x\\n" in shown(Watched(["pilot", "x\n"]))


def test_a_role_that_ends_is_said_to_have_ended_until_it_runs_again():
    watched = Watched()
    watched.hear(said(ground()), {HERE}, 0.0)
    watched.hear({}, set(), 75.0)
    assert shown(watched, 75.0).startswith("ground pilot: not running any more, for 1 minute 15 seconds")
    watched.hear({}, {THERE}, 76.0)
    assert "not running any more" in shown(watched, 76.0), "it has started, and has said nothing yet"
    watched.hear({THERE: encoded(ground())}, {THERE}, 77.0)
    assert shown(watched, 77.0).startswith("ground pilot: open")


def test_one_that_stands_still_is_not_shown_as_if_it_ran():
    watched = Watched()
    watched.hear(said(ground()), {HERE}, 0.0)
    watched.hear({}, {HERE}, QUIET_AFTER_S + 1)
    assert shown(watched, QUIET_AFTER_S + 1).startswith("ground pilot: has said nothing for 4 seconds")
    assert shown(watched, QUIET_AFTER_S).startswith("ground pilot: open")


def test_only_those_that_were_asked_for():
    watched = Watched(["pilot"])
    watched.hear(said(ground(), ground(name="observer"), air()), {HERE}, 0.0)
    assert "observer" not in shown(watched).replace("observer (telemetry", "")
    assert "air drone-7" not in shown(watched)


def test_several_are_shown_in_full_where_they_fit_and_else_how_each_is():
    watched = Watched()
    statuses = [ground(name=f"pilot-{number}", order_left_s=500) for number in range(4)]
    watched.hear(said(*statuses), {*said(*statuses)}, 0.0)
    assert shown(watched, rows=100).count("operation") == 4
    small = shown(watched, rows=24)
    assert len(small.splitlines()) <= 24
    assert "operation" not in small
    assert small.count("the order ends in 9 minutes") == small.count(": open") == 4


def test_what_has_ended_is_bounded():
    watched = Watched()
    for number in range(3 * ROLES_MAX):
        statuses = said(air(name=f"drone-{number}"))
        watched.hear(statuses, {*statuses}, 0.0)
        watched.hear({}, set(), 0.0)
    assert len(watched._heard) == ROLES_MAX


def test_another_version_and_names_from_outside():
    watched = Watched()
    found = {HERE: {"role": "ground", "name": "\x1b[2J\n"}, THERE: encoded(ground(operation="\x1b[2J"))}
    watched.hear(found, {*found}, 0.0)
    text = shown(watched, rows=100)
    assert "another version's" in text
    assert all(line.isprintable() for line in text.split("\n"))
    watched.hear({}, set(), 0.0)
    assert all(line.isprintable() for line in shown(watched).split("\n"))


@pytest.mark.parametrize("columns", [1, 10, 48, 80])
def test_a_narrow_terminal_is_no_error(columns):
    watched = Watched()
    watched.hear(said(ground(), air()), {*said(ground(), air())}, 0.0)
    assert shown(watched, rows=1, columns=columns)


def test_what_is_no_terminal_is_told_what_to_do(capsys):
    assert cli.main(["status", "--watch"]) == 2
    assert "zegel status shows it once" in capsys.readouterr().err


def test_a_terminal_that_cannot_move_its_cursor_is_told_too():
    _, slave = pty.openpty()
    words = [sys.executable, "-m", "gateway.cli", "status", "--watch"]
    done = subprocess.run(words, stdout=slave, stderr=-1, env={"TERM": "dumb"}, text=True, check=False, timeout=60)
    assert (done.returncode, "needs a terminal" in done.stderr) == (2, True)
