"""Service: the systemd unit of a role, and the status of its process if one runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gateway.board.computer import told
from gateway.board.finding import Finding, do, ok, unknown
from gateway.board.subject import Subject, default_path
from gateway.loop import hardening
from gateway.report.advice import advise
from gateway.report.role_status import Status

BOOTED = Path("run/systemd/system")  # sd_booted(3)
PROPERTIES = "LoadState,ActiveState,UnitFileState,Result,NRestarts"


def running(subject: Subject) -> Status | None:
    """The status of the process of this role with these endpoints; None if none runs, or none that we may ask."""
    meant = {str(address) for address in subject.addresses()}
    found = [each.status for each in subject.live if each.role == subject.role and each.status]
    return next((each for each in found if meant <= {end.endpoint for end in each.endpoints}), None)


def look(subject: Subject) -> Iterator[Finding]:
    """The process, then its unit."""
    if subject.running:
        line = advise(subject.running)
        name = f"zegel {subject.role} runs, process {subject.running.pid}"
        yield do("running", f"{name}: {line}", "zegel status") if line else ok("running", f"{name}, and all is well")
        if not subject.running.memory_locked:
            yield unknown("memory", hardening.NOT_LOCKED, "as a service it may: its unit has LimitMEMLOCK=infinity")
    elif subject.path == default_path(subject.role):
        for live in subject.live:
            if live.role == subject.role:
                yield ok("running", f"{live}, with other endpoints than {subject.path}: zegel status shows it")
    yield from _unit(subject, f"zegel-{subject.role}")


def _unit(subject: Subject, unit: str) -> Iterator[Finding]:
    if not (subject.root / BOOTED).is_dir():
        yield unknown("service", "this system was not started by systemd, so nothing starts zegel with it")
        return
    said = facts(unit)
    loaded, active = said.get("LoadState", ""), said.get("ActiveState", "")
    if loaded != "loaded":
        cure = f"sudo make install ROLE={subject.role}, or run it by hand"
        yield unknown("service", f"{unit} is not installed", cure, interrupts=True)
    elif active == "failed" or said.get("Result", "success") != "success":
        yield do("service", f"{unit} has failed: {said['Result']}", f"journalctl -u {unit} -n 20 says why")
    elif said.get("UnitFileState") != "enabled":
        cure = f"sudo systemctl enable --now {unit}"
        yield do("service", f"{unit} is {active}, and does not start by itself", cure, interrupts=True)
    elif active != "active":
        yield do("service", f"{unit} is {active}", f"sudo systemctl start {unit}", interrupts=True)
    else:
        yield ok("service", f"{unit} is active, restarted {said.get('NRestarts', '0')} times")


def facts(unit: str) -> dict[str, str]:
    """What systemd says of a unit; empty without systemd."""
    shown = told("systemctl", "show", unit, f"--property={PROPERTIES}")
    return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
