"""A scene leaves nothing behind, whatever ends it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.workspace import TERMINATED, scene

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def play(then: Callable[[], object]) -> tuple[int, Path, list[str]]:
    """A scene with a process in it that ends with `then`: the process's id, the folder, what was undone."""
    undone: list[str] = []
    with contextlib.suppress(ZeroDivisionError, SystemExit), scene() as here:
        process = here.start([sys.executable, "-c", "import time; time.sleep(60)"], "sleeper")
        here.undo.callback(undone.append, "undone")
        assert running(process.pid)
        then()
    return process.pid, here.folder, undone


@pytest.mark.parametrize("then", [lambda: None, lambda: 1 / 0, lambda: os.kill(os.getpid(), signal.SIGTERM)])
def test_processes_folder_and_what_was_to_be_undone_are_gone(then):
    pid, folder, undone = play(then)
    assert not running(pid)
    assert not folder.exists()
    assert undone == ["undone"]


def test_a_process_that_heeds_no_sigterm_is_killed():
    with scene() as here:
        process = here.start([sys.executable, "-c", STUBBORN], "stubborn")
        while here.last_words("stubborn") != "up":
            time.sleep(0.01)
    assert process.returncode == -signal.SIGKILL


def end_by_sigterm() -> None:
    with scene():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)


def test_sigterm_is_told_as_shells_do_and_means_what_it_did_before():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as told:
        end_by_sigterm()
    assert told.value.code == TERMINATED
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_last_words_of_a_program_are_kept():
    with scene() as here:
        here.start([sys.executable, "-c", "print('one'); print('two\\n')"], "speaker").wait()
        assert here.last_words("speaker") == "two"
        assert here.last_words("nobody") == ""
