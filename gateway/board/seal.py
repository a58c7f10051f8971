"""Seal: where the seal begins, whether a vendor's controller is contained, and what of it this computer cannot see."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from gateway.board import nftables
from gateway.board.finding import Finding, do, ok, unknown
from gateway.board.subject import Subject
from gateway.errors import NotGuarded
from gateway.report import wording
from gateway.report.role_status import AirStatus, Status

UNSEEN = (
    "switch off at the controller: its WLAN (forget all networks), Bluetooth, SIM or LTE dongle, the vendor's cloud account"
)


def look(subject: Subject) -> Iterator[Finding]:
    """Nothing where no vendor has a picture."""
    if subject.air is None or not (names := subject.air.vendors()):
        return
    yield _signed(names, subject.running)
    file = subject.path.with_name("egress.toml")
    contained = _contained(file)
    if not contained:
        cure = "sudo zegel setup box; nothing to do if the controller is at no network of this computer (HDMI)"
        yield unknown("controller", f"{file} contains no network: what a controller sends may leave by this computer", cure)
    for name in contained:
        yield _loaded(name)
    yield unknown("controller's own radios", "this computer cannot see its WLAN, SIM and Bluetooth", UNSEEN)


def _signed(names: Sequence[str], running: Status | None) -> Finding:
    """`zegel source` may have read the file after a change, while `zegel air` flies on as it read it before."""
    unsaid = sorted({*names} - {*running.seen_by}) if isinstance(running, AirStatus) else []
    if not unsaid:
        return ok("seal", wording.seal_begins(names))
    text = f"zegel air does not say that {', '.join(unsaid)} holds pictures: its configuration has changed since it started"
    return do("seal", text, "sudo systemctl restart zegel-air", interrupts=True)


def _contained(file: Path) -> list[str]:
    try:
        tables = tomllib.loads(file.read_text()).get("contain", [])
        return [str(each["interface"]) for each in tables]
    except (OSError, tomllib.TOMLDecodeError, TypeError, KeyError, AttributeError):
        return []


def _loaded(name: str) -> Finding:
    if os.geteuid() != 0:
        return unknown("controller", f"whether {name} is contained can only root see", "sudo zegel doctor")
    try:
        rules = nftables.loaded()
    except NotGuarded as error:
        return do("controller", f"{name} is not contained: {error}", error.hint)
    if nftables.contains(rules, name):
        return ok("controller", f"{name} is contained", "sudo zegel egress check proves it")
    return do("controller", f"{name} is not contained: no rule names it", "sudo zegel egress apply")
