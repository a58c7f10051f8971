"""`zegel record`: ask the aircraft to record video, or to pause that, through a ground that runs here."""

from __future__ import annotations

import argparse
import secrets
import time
from pathlib import Path

from gateway.core.ground.record_request import GIVE_UP_AFTER_S
from gateway.core.record_outcome import Outcome
from gateway.errors import NotConfirmed, NotRunning
from gateway.ground import record_file
from gateway.ground.record_file import Asked
from gateway.report import recording_report
from gateway.report.role_status import GroundStatus, RecordStatus, decoded
from gateway.report.status_socket import Reader, read_each, running
from keys.commands.terminal import show
from keys.printable import printable

TAKEN_WITHIN_S = 5.0  # a ground looks twice a second
DONE_WITHIN_S = GIVE_UP_AFTER_S + 3.0
DONE = {True: "video is recorded", False: "the recording of video is paused"}


def command(parser: argparse.ArgumentParser) -> None:
    """ask the aircraft to record video, or to pause that, and say what came of it"""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "example:\n  zegel record off\n  zegel record on --station pilot --device drone-7"
    parser.add_argument("do", choices=("on", "off"), help="record video, or pause it; telemetry is always recorded")
    parser.add_argument("--station", metavar="NAME", help="by which ground, if several run here")
    parser.add_argument("--device", metavar="NAME", help="only this aircraft; otherwise all that are heard")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    socket = _ground(args.station)
    asked = Asked(secrets.token_hex(8), args.do == "on", args.device)
    record_file.write(socket, asked)
    try:
        _tell(socket, asked)
    finally:
        record_file.of(socket).unlink(missing_ok=True)
    return 0


def _ground(station: str | None) -> Path:
    """The status socket of the ground that is meant. NotRunning."""
    found = {path: status for path, status in read_each(running()).items() if isinstance(status, GroundStatus)}
    names = ", ".join(sorted(printable(status.name) for status in found.values()))
    meant = [path for path, status in found.items() if station in (None, status.name)]
    if not found:
        raise NotRunning("no zegel ground of this user is running here", hint="for the service: sudo zegel record")
    if not meant:
        raise NotRunning(f"no ground of the name {station} runs here", hint=f"here run {names}")
    if len(meant) > 1:
        raise NotRunning(f"{len(meant)} grounds run here: {names}", hint="--station NAME says which is meant")
    return meant[0]


def _tell(socket: Path, asked: Asked) -> None:
    """Say what each aircraft answers. NotConfirmed if not all did, NotRunning if the ground does not answer."""
    told: set[str] = set()
    began, taken = time.monotonic(), False
    with Reader() as reader:
        reader.follow({socket})
        while (waited := time.monotonic() - began) < (DONE_WITHIN_S if taken else TAKEN_WITHIN_S):
            status = decoded(reader.read(1.0, each_once=True).get(socket, {}))
            said = status.record if isinstance(status, GroundStatus) else None
            if not isinstance(status, GroundStatus) or said is None or said.name != asked.name:
                continue
            taken = True
            if said.refused:
                raise NotConfirmed(said.refused, hint="zegel status shows what is recorded")
            _show(status, said, told)
            if Outcome.ASKING not in said.devices.values():
                _require_all(said)
                return
    raise NotRunning(f"the ground did not answer in {waited:.0f} s", hint="zegel status shows whether it runs")


def _show(status: GroundStatus, said: RecordStatus, told: set[str]) -> None:
    """One line for each aircraft whose answer is new."""
    for device, outcome in sorted(said.devices.items()):
        if device in told or outcome is Outcome.ASKING:
            continue
        told.add(device)
        recording = next((each.recording for each in status.sessions if each.device == device and each.recording), None)
        now = f"; {recording_report.line(recording)}" if recording else ""
        done = DONE[said.on] if outcome is Outcome.CONFIRMED else f"no beat confirmed it in {GIVE_UP_AFTER_S:.0f} s"
        show(printable(f"{device}: {done}{now}"))


def _require_all(said: RecordStatus) -> None:
    missing = [device for device, outcome in said.devices.items() if outcome is not Outcome.CONFIRMED]
    if missing:
        names = ", ".join(map(printable, sorted(missing)))
        raise NotConfirmed(f"not confirmed by {names}", hint="its link may be one-way, or it has no camera")
