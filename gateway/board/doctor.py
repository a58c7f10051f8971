"""`zegel doctor`: checks the board and everything that Zegel needs there, and says for each item "ok" or what to do.

What lives here: the list of checks, their order, and their display. Each check has a file of its own and is independent: a
failed check is a line like any other. Checks that listen run at the same time, so that the whole takes some ten seconds.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

from rich.console import Console
from rich.text import Text

from gateway import config
from gateway.board import (
    autopilot,
    camera,
    card,
    clock,
    computer,
    data_path,
    folder,
    health,
    kernel,
    link,
    live,
    orders,
    port,
    seal,
    service,
    sources,
)
from gateway.board.finding import Finding, State, do, ok, unknown
from gateway.board.subject import Role, Subject, default_path
from gateway.config import AirConfig, GroundConfig
from gateway.errors import ActionNeeded, ConfigError
from keys.commands import account
from keys.commands.terminal import json_text, show
from keys.printable import printable

Look: TypeAlias = Callable[[Subject], Iterable[Finding]]

QUICK: dict[str, Look] = {
    "computer": computer.look,
    "data path": data_path.look,
    "power": health.look,
    "clock": clock.look,
    "kernel": kernel.look,
    "folder": folder.look,
    "order": orders.look,
    "service": service.look,
    "seal": seal.look,
    "serial port": port.look,
    "source": sources.look,
    "card": card.look,
}
LISTENING: dict[str, Look] = {"link": link.look, "flight controller": autopilot.look, "camera": camera.look}
COLOURS = {State.OK: "green", State.DO: "bold red", State.UNKNOWN: "yellow"}
WIDTH = max(map(len, State))
WHAT_WIDTH = len("ground control station")


def command(parser: argparse.ArgumentParser) -> None:
    """check whether this board is ready to fly, and say what to do if it is not"""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "example:\n  sudo zegel doctor\n  zegel doctor ground --config ground.toml\n\n"
        "exit code: 0 if nothing has to be done, 9 if something has. It listens, and writes to no flight controller.\n"
        "While a zegel air or ground runs on this computer, a remedy that could disturb its flight is for afterwards."
    )
    parser.add_argument("role", nargs="?", choices=("air", "ground"), help="default: the one that has a configuration")
    parser.add_argument("--config", type=Path, metavar="FILE", help="default /etc/zegel/ROLE.toml, if it exists")
    parser.add_argument("--json", action="store_true", help="a list of JSON objects: what, state, text, cure, interrupts")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    out, console = Console(highlight=False, soft_wrap=True), Console(stderr=True)
    found: list[Finding] = []
    for finding in examine(args.role, args.config, console):
        found.append(finding)
        if not args.json:
            out.print(_line(finding))
    if args.json:
        show(json_text([dataclasses.asdict(finding) for finding in found], 2))
    if count := sum(finding.state is State.DO for finding in found):
        things = "1 thing needs" if count == 1 else f"{count} things need"
        raise ActionNeeded(f"{things} a hand", hint="the remedy follows each line that begins with: do this")
    return 0


def _line(finding: Finding) -> Text:
    said = printable(f"{finding.what}: {finding.text}")
    line = Text.assemble((f"{finding.state:<{WIDTH}}", COLOURS[finding.state]), f"  {said}")
    if finding.cure:
        line.append(f"\n{'':<{WIDTH}}    {printable(finding.cure)}", "bold" if finding.state is State.DO else "")
    return line


def examine(role: Role | None, path: Path | None, console: Console) -> Iterator[Finding]:
    """All findings, in order, as they come; `console` shows what the doctor waits for."""
    role, path = _which(role, path)
    settings, finding = _settings(role, path)
    yield finding
    user = (account.of_service() if path == default_path(role) else None) or account.caller()
    subject = Subject(role=role, path=path, settings=settings, user=user, live=live.roles())
    subject = dataclasses.replace(subject, running=service.running(subject))
    for name, look in QUICK.items():
        yield from _isolated(name, look, subject)
    with ThreadPoolExecutor(len(LISTENING)) as pool, console.status("listening for data, ten seconds at most"):
        if not console.is_terminal:
            show("listening for data, ten seconds at most", errors=True)
        answers = [pool.submit(_isolated, name, look, subject) for name, look in LISTENING.items()]
        for answer in answers:
            yield from answer.result()


def _isolated(name: str, look: Look, subject: Subject) -> list[Finding]:
    """Its findings; a failed check is a line of its own and does not stop the others."""
    found: list[Finding] = []
    try:
        found.extend(look(subject))
    except Exception as error:
        found.append(unknown(name, f"this check failed, {type(error).__name__}: {error}", "please report this line"))
    return [finding.during_flight() for finding in found] if subject.live else found


# --- which configuration ---


def _which(role: Role | None, path: Path | None) -> tuple[Role, Path]:
    """As given; otherwise the role that the file is for, or the one whose file exists, or air."""
    if role is None:
        role = _role_of(path) if path else _role_there()
    return role, path or default_path(role)


def _role_there() -> Role:
    return "ground" if config.is_there(default_path("ground")) and not config.is_there(default_path("air")) else "air"


def _role_of(path: Path) -> Role:
    try:
        keys = {key for file in config.files(path) for key in config.read(file)}
    except ConfigError:
        return "air"
    return "ground" if keys & {"station", "order", "gcs"} else "air"


def _settings(role: Role, path: Path) -> tuple[AirConfig | GroundConfig | None, Finding]:
    if not config.is_there(path):
        made = f"zegel setup {role} makes one"
        if path == default_path(role):
            return None, unknown("configuration", f"{path} does not exist: only the board itself is checked", made)
        return None, do("configuration", f"{path} does not exist", made)
    try:
        found = config.load_file(AirConfig, path) if role == "air" else config.load_file(GroundConfig, path)
    except ConfigError as error:
        return None, do("configuration", str(error), error.hint)
    return found, ok("configuration", f"{path} is good, for zegel {role}")
