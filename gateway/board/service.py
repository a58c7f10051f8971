"""Service: the systemd unit of a role, and the status of its process if one runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gateway.board.computer import told
from gateway.board.finding import Finding, do, ok, unknown
from gateway.board.subject import Subject
from gateway.errors import NotRunning
from gateway.loop import hardening
from gateway.report.advice import advise
from gateway.report.role_status import Status
from gateway.report.status_socket import read_all

BOOTED = Path("run/systemd/system")  # sd_booted(3)
PROPERTIES = "LoadState,ActiveState,UnitFileState,Result,NRestarts"


def running(subject: Subject) -> Status | None:
    """The status of the process of this role with these endpoints; None if none runs, or none that we may ask."""
    meant = {str(address) for address in subject.addresses()}
    try:
        found = [each for each in read_all() if each.role == subject.role]
    except (NotRunning, OSError):
        return None
    return next((each for each in found if meant <= {end.endpoint for end in each.endpoints}), None)


def look(subject: Subject) -> Iterator[Finding]:
    """The process, then its unit."""
    if subject.running:
        line = advise(subject.running)
        name = f"zegel {subject.role} runs, process {subject.running.pid}"
        yield do("running", f"{name}: {line}", "zegel status") if line else ok("running", f"{name}, and all is well")
        if not subject.running.memory_locked:
            yield unknown("memory", hardening.NOT_LOCKED, "as a service it may: its unit has LimitMEMLOCK=infinity")
    yield from _unit(subject, f"zegel-{subject.role}")


def _unit(subject: Subject, unit: str) -> Iterator[Finding]:
    if not (subject.root / BOOTED).is_dir():
        yield unknown("service", "this system was not started by systemd, so nothing starts zegel with it")
        return
    shown = told("systemctl", "show", unit, f"--property={PROPERTIES}")
    facts = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    loaded, active = facts.get("LoadState", ""), facts.get("ActiveState", "")
    if loaded != "loaded":
        yield unknown("service", f"{unit} is not installed", f"sudo make install ROLE={subject.role}, or run it by hand")
    elif active == "failed" or facts.get("Result", "success") != "success":
        yield do("service", f"{unit} has failed: {facts['Result']}", f"journalctl -u {unit} -n 20 says why")
    elif facts.get("UnitFileState") != "enabled":
        yield do("service", f"{unit} is {active}, and does not start by itself", f"sudo systemctl enable --now {unit}")
    elif active != "active":
        yield do("service", f"{unit} is {active}", f"sudo systemctl start {unit}")
    else:
        yield ok("service", f"{unit} is active, restarted {facts.get('NRestarts', '0')} times")
