"""The commands that hold a private key, as processes: what the system keeps of them, and two at once."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.loop.hardening import NOT_LOCKED
from keys import amendment
from keys.errors import OlderOrder
from keys.folders import store
from keys.folders.agency import AgencyFolder

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


def test_of_two_commands_at_once_the_second_waits_and_amends_nothing(house):
    """The first one may be a revocation, and an order that amends the same one would not have it."""
    folder, output = AgencyFolder(house.folder / "agency"), house.folder / "first.order"
    words = ("--hours", 1, "--agency", house.folder / "agency", "-o", house.folder / "second.order")
    with folder.hold():
        first = folder.amend(house.order.read_bytes(), lambda old: amendment.extended(old, 60), output)
        second = started("order", "extend", house.order, *words)
        with pytest.raises(subprocess.TimeoutExpired):
            second.wait(3.0)
        store.write(output, first.raw, new=True)
        folder.published(first)
    _, errors = second.communicate()
    assert second.returncode == OlderOrder.exit_code
    assert "number 2 of its operation was issued after it" in errors
    assert not (house.folder / "second.order").exists()


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
