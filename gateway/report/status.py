"""`zegel status`: shows the status of every running role of this computer to a person.

What lives here: the command. What must not: what a status consists of (role_status.py), how it comes here
(status_socket.py), what a person sees of it (screen.py, counters.py), following it in a terminal (watch.py).
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping
from typing import Any

from gateway.errors import NotRunning
from gateway.report import counters, keyless, screen
from gateway.report.advice import advise
from gateway.report.role_status import decoded
from gateway.report.status_socket import read_raw
from keys.commands.terminal import json_text, show
from keys.printable import printable

SCHEMA = 1  # of the JSON: a higher number where a key is gone or means something else


def command(parser: argparse.ArgumentParser) -> None:
    """show what every running air and ground on this computer is doing"""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "example:\n  zegel status\n  zegel status pilot --watch\n  zegel status --json | python3 -m json.tool"
    parser.add_argument("name", metavar="NAME", nargs="*", help="only of these devices or stations; otherwise of all")
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "-v", "--verbose", action="store_true", help="everything that the screen has no room for, and the counters"
    )
    form.add_argument("--watch", action="store_true", help="follow it in this terminal, until Ctrl-C")
    form.add_argument("--json", action="store_true", help="everything, as a list of JSON objects")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    if args.watch:
        from gateway.report import watch  # noqa: PLC0415 - it loads rich, which a status does not need

        watch.follow(args.name)
        return 0
    found = _asked_for(read_raw(), args.name)
    if args.json:
        show(json_text([_for_programs(said) for said in found], 2))
    else:
        show("\n\n".join(text(said, verbose=args.verbose) for said in found))
    return 0


def _asked_for(found: list[dict[str, Any]], asked: list[str]) -> list[dict[str, Any]]:
    """NotRunning if there is none."""
    if not found:
        raise NotRunning(
            "no zegel air or ground of this user is running here",
            hint="start one: zegel air --help; for the services: sudo zegel status",
        )
    chosen = [said for said in found if not asked or said["name"] in asked]
    if not chosen:
        names = sorted({printable(said["name"]) for said in found})
        raise NotRunning(f"nothing of that name runs here: {', '.join(asked)}", hint=f"here run {', '.join(names)}")
    return chosen


def _for_programs(said: Mapping[str, Any]) -> dict[str, Any]:
    """What a role says, with the number of its form first."""
    return {"schema": SCHEMA, **said, "wrong": _wrong(said)}


def _wrong(said: Mapping[str, Any]) -> str | None:
    """The first fault; empty if there is none, None if another version says it."""
    if (status := decoded(said)) is not None:
        return advise(status)
    other = keyless.decoded(said)
    return None if other is None else keyless.wrong(other)


def text(said: Mapping[str, Any], *, verbose: bool = False) -> str:
    """What a person sees of one role in this terminal; with `verbose` nothing is left out."""
    size = shutil.get_terminal_size((screen.COLUMNS, screen.ROWS + 1))
    rows = None if verbose else max(screen.ROWS, size.lines - 1)
    if (other := keyless.decoded(said)) is not None:
        lines = keyless.lines(other, size.columns, rows)
    elif (status := decoded(said)) is not None:
        lines = screen.lines(status, size.columns, rows, counters.rows(status) if verbose else [])
    else:
        return screen.OTHER_VERSION.format(name=printable(f"{said['role']} {said['name']}"))
    return "\n".join(line.text for line in lines)
