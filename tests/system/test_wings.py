"""What a running `zegel air` and `zegel ground` have loaded: nothing of each other, so that an aircraft has no opener."""

from __future__ import annotations

import os
import re
from pathlib import Path

from gateway.demo.stage import Program
from tests.architecture.test_arrows import AIR, GROUND, within


def loaded(program: Program) -> set[str]:
    """The modules that Python has reported since the start of the process (PYTHONPROFILEIMPORTTIME)."""
    return set(re.findall(r"^import time: .*\| +([\w.]+)$", program.output(), re.MULTILINE))


def mapped(program: Program) -> set[str]:
    """The libraries in C of ours in its memory, which of a hardened process only root may know; otherwise none."""
    maps = Path(f"/proc/{program.process.pid}/maps")
    return set(re.findall(r"/(zegel-\w+)\.so$", maps.read_text(), re.MULTILINE)) if os.geteuid() == 0 else set()


def test_neither_end_loads_the_other(fly, monkeypatch):
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    flight = fly(("pilot",))
    flight.wait_open()
    flight.run(1.0)
    air, ground = loaded(flight.air), loaded(flight.stations["pilot"].program)
    assert {"gateway.air.role", "gateway.core.sealer"} <= air
    assert {"gateway.ground.role", "gateway.core.ground.opener"} <= ground
    assert not {name for name in air if within(name, GROUND)}
    assert not {name for name in ground if within(name, AIR)}
    assert mapped(flight.air) <= {"zegel-seal"}
    assert mapped(flight.stations["pilot"].program) <= {"zegel-open"}
