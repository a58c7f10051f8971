"""Commands that end, hang, flood and fork: real processes, in the test's own loop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.report.source_status import State
from gateway.sources import processes
from gateway.sources.output import LINE_MAX, LastLine
from gateway.sources.runner import Runner

RESTARTS = 1000
WITHIN_S = 60.0
TICK = "while :; do echo picture; sleep 0.05; done"


class Kept:
    """A runner under test, and what came of it."""

    def __init__(self, *words: str) -> None:
        self.came = bytearray()
        self.said: list[str] = []
        self.begun = 0
        self.runner = Runner("front", lambda: (words, None, ()), self.came.extend, self._began, self.said.append)

    def _began(self) -> None:
        self.begun += 1

    def until(self, done: Callable[[], bool], meanwhile: Callable[[], object] = lambda: None) -> None:
        """Run it until `done`, then end it; `meanwhile` once something has come."""
        asyncio.run(self._until(done, meanwhile))

    async def _until(self, done: Callable[[], bool], meanwhile: Callable[[], object]) -> None:
        processes.adopt()
        task, end, acted = asyncio.create_task(self.runner.run()), time.monotonic() + WITHIN_S, False
        while not done() and time.monotonic() < end:
            await asyncio.sleep(0.01)
            processes.sweep()
            if self.came and not acted:
                acted = True
                meanwhile()
        reached = done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        end = time.monotonic() + 2
        while children() and time.monotonic() < end:  # what a sweep has just killed is reaped by the next one
            processes.sweep()
            await asyncio.sleep(0.01)
        assert reached, (self.runner.last_error, self.said)


def shell(text: str) -> Kept:
    return Kept("sh", "-c", text)


def children() -> list[int]:
    """Of this process, zombies too."""
    return [*processes._children()]


def descriptors() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]


def test_a_command_that_ends_is_started_again_and_its_last_error_is_kept():
    kept = shell("echo picture; echo no such camera >&2; exit 3")
    kept.until(lambda: kept.runner.starts == 3)
    assert kept.runner.last_error == "sh ended with exit code 3: no such camera"
    assert kept.came.count(b"picture") >= 2
    assert kept.begun == 3


def test_the_log_has_an_error_once_and_again_only_if_it_changes(tmp_path):
    counter = tmp_path / "counter"
    counter.write_text("0")
    count = f"n=$(cat {counter}); echo $((n + 1)) >{counter}"
    kept = shell(f"{count}; echo process $$ failed at 0x$n >&2; test $n -lt 2 || exec /nonexistent")
    kept.until(lambda: kept.runner.starts == 4)
    assert len(kept.said) == 2, kept.said
    assert "exit code 0" not in kept.said[0]


def test_a_program_that_does_not_exist_is_an_error_like_another():
    kept = Kept("/nonexistent/rpicam-vid")
    kept.until(lambda: len(kept.said) == 1)
    assert kept.said == ["front: there is no program /nonexistent/rpicam-vid; it is started again"]
    assert kept.runner.state is State.WAITING


def test_a_command_that_is_killed_comes_back():
    kept = shell(TICK)
    kept.until(lambda: len(kept.said) == 2, lambda: kill_all(signal.SIGKILL))
    assert kept.said == ["front: sh was ended by Killed; it is started again", "front brings pictures again"]
    assert kept.runner.state is State.BRINGING or kept.runner.starts == 2


def test_a_stopped_command_is_found_silent_and_ended():
    """As ffmpeg hangs without ending."""
    kept = shell(TICK)
    kept.until(lambda: kept.runner.starts == 2 and kept.runner.state is State.BRINGING, lambda: kill_all(signal.SIGSTOP))
    assert "gave nothing for 3 s" in kept.runner.last_error
    assert children() == []


def test_a_command_that_ignores_the_end_is_killed():
    kept = shell(f"trap '' TERM INT HUP; {TICK}")
    kept.until(lambda: bool(kept.came))
    assert children() == []


def test_a_command_that_closes_its_output_and_lives_is_ended():
    kept = shell("echo picture; exec >&-; sleep 60")
    kept.until(lambda: kept.runner.starts == 2)
    assert "has closed its output" in kept.runner.last_error


def test_one_that_needs_longer_for_its_first_output_is_given_more_time():
    """If every start had the same short limit, it would never bring a picture."""
    kept = shell(f"sleep 4; {TICK}")
    kept.until(lambda: kept.runner.state is State.BRINGING)
    assert "gave nothing in 3 s" in kept.runner.last_error


@pytest.mark.soak
def test_one_that_was_quick_and_needs_longer_now_is_given_more_time_in_the_end(tmp_path):
    """A camera that starts slowly after it was unplugged."""
    kept = shell(f"test -e {tmp_path}/known && sleep 4; touch {tmp_path}/known; echo picture; sleep 0.2; exit 1")
    kept.until(lambda: kept.came.count(b"picture") == 2)
    assert kept.runner.starts == 5


def test_what_it_starts_ends_with_it(tmp_path):
    file = tmp_path / "pids"
    kept = shell(f"sleep 60 & echo $! >>{file}; sleep 60 & echo $! >>{file}; {TICK}")
    kept.until(lambda: bool(kept.came))
    pids = [int(line) for line in file.read_text().split()]
    assert len(pids) == 2
    assert not [pid for pid in pids if alive(pid)]
    assert children() == []


def test_what_leaves_its_group_ends_with_it_and_leaves_no_zombie(tmp_path):
    """setsid: no signal to the group reaches it. Its parent ends, so it becomes a child of ours."""
    file = tmp_path / "pid"
    kept = shell(f"setsid sh -c 'echo $$ >{file}; exec sleep 60' & sleep 0.3; {TICK}")
    kept.until(lambda: bool(kept.came) and file.exists() and file.read_text() != "")
    pid = int(file.read_text())
    assert not alive(pid)
    assert children() == []


def test_a_helper_that_outlives_its_parent_stays_while_the_command_runs(tmp_path):
    file = tmp_path / "pid"
    kept = shell(f"(setsid sh -c 'echo $$ >{file}; while :; do echo picture; sleep 0.05; done' &) ; sleep 60")
    kept.until(lambda: kept.came.count(b"picture") > 20)
    assert kept.runner.starts == 1
    assert not alive(int(file.read_text()))


@pytest.mark.parametrize("end", ["", "\\n", "\\r"])
def test_a_flood_of_errors_stays_small(end):
    """It waits until more is read: nothing is kept but a line."""
    kept = Kept(sys.executable, "-c", f"import os\nos.write(1, b'picture')\nwhile 1: os.write(2, b'{'x' * 99}{end}')")
    began = time.process_time()
    kept.until(lambda: kept.runner.starts == 2)
    print(f"{time.process_time() - began:.2f} s of the processor in some 4 s of a flood")
    assert len(kept.runner.last_error) < LINE_MAX + 100
    assert len(kept.said) == 1


def test_neither_descriptors_nor_processes_grow_over_restarts(monkeypatch):
    _restart(monkeypatch, 60)


@pytest.mark.soak
def test_a_thousand_restarts_leave_nothing(monkeypatch):
    _restart(monkeypatch, RESTARTS)


def _restart(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    monkeypatch.setattr("gateway.sources.runner.PAUSE_MIN_S", 0.0)
    monkeypatch.setattr("gateway.sources.runner.PAUSE_MAX_S", 0.0)
    shell("exit 1").until(lambda: True)
    before = descriptors()
    kept, counts = shell("sleep 0 & echo picture; echo broken >&2; exit 1"), set[int]()

    def done() -> bool:
        counts.add(descriptors())
        return kept.runner.starts >= times

    kept.until(done)
    assert max(counts) <= before + 12  # the loop's own, and the pipes of one start
    assert descriptors() == before
    assert children() == []
    assert len(kept.said) == 1


def test_the_last_line_is_the_last_with_a_text():
    line = LastLine()
    for data in (b"first\nsec", b"ond\r\n\n", b"  \n"):
        line.feed(data)
    assert str(line) == "second"
    line.feed(b"begun, and not ended")
    assert str(line) == "begun, and not ended"


@pytest.mark.parametrize("cut", range(1, 40))
def test_no_line_shows_a_secret_wherever_it_was_cut(cut):
    line, text = LastLine(("se:cr@t", "me:se%3Acr%40t")), b"cannot open 'rtsp://me:se%3Acr%40t@h/' with se:cr@t\n"
    line.feed(text[:cut])
    line.feed(text[cut:])
    assert str(line) == "cannot open 'rtsp://***@h/' with ***"


def kill_all(number: signal.Signals) -> None:
    for pid in children():
        os.killpg(pid, number)
