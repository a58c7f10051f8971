"""The commands that hold a private key, as processes: what the system keeps of them."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.loop.hardening import NOT_LOCKED

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="hardening is Linux's")
ZEGEL = (sys.executable, "-m", "gateway.cli")


def limit() -> None:
    """Before the command: core files may be written, and a mebibyte may be locked."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (1 << 20, 1 << 20))


def started(*words: object) -> subprocess.Popen[str]:
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return limited(subprocess.Popen)([*ZEGEL, *map(str, words)], text=True, **pipes)


def test_a_command_that_holds_a_key_writes_no_core_file_and_says_that_it_may_reach_swap(house):
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        pytest.skip("this system lets nobody write a core file")
    with started("station", "destroy", house.folder / "pilot") as command:
        asked = ""
        while not asked.endswith("type its name: "):
            asked += command.stdout.read(1)
        (core,) = [
            line.split()[4:6]
            for line in Path(f"/proc/{command.pid}/limits").read_text().splitlines()
            if line.startswith("Max core file size")
        ]
        _, errors = command.communicate("\n")
    assert core == ["0", "0"]
    assert errors.splitlines()[0] == f"zegel: {NOT_LOCKED}"


def test_a_command_without_a_key_says_nothing_of_it(house):
    with started("order", "show", house.order) as command:
        _, errors = command.communicate()
    assert errors == ""


def test_a_role_says_it_at_the_terminal_and_in_its_status(house, fly, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", limited(subprocess.Popen))
        flight = fly()
    flight.wait_open()
    for program in (flight.air, flight.stations["pilot"].program):
        assert NOT_LOCKED in program.output()
    shown = subprocess.run([*ZEGEL, "status"], capture_output=True, text=True, check=True).stdout
    assert shown.count("memory     not locked") == 2


def limited(popen):
    return lambda *words, **more: popen(*words, preexec_fn=limit, **more)
