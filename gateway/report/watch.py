"""Watch: `zegel status --watch`, the screens of all roles in a terminal, again about once a second.

What lives here: following the roles as they start, stand still and end. What must not: what a screen shows (screen.py).
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.live import Live
from rich.text import Text

from gateway.errors import ConfigError
from gateway.report import keyless, screen, status_socket
from gateway.report.role_status import decoded
from gateway.report.screen import Kind, Line
from keys.printable import printable
from keys.times import duration

EVERY_S = 1.0
QUIET_AFTER_S = 3.0  # a role publishes every half second
ROLES_MAX = 16  # that have ended and are still shown
COLOURS = {Kind.HEAD: "bold", Kind.FAULT: "bold red", Kind.FACT: ""}
NONE_YET = "no zegel air or ground of this user is running here; it is shown once it starts"
NOT_YET = "not running here, and shown once it starts: {names}"


def follow(names: Sequence[str]) -> None:
    """Show the roles, or those of these names, until KeyboardInterrupt. ConfigError if this is no terminal."""
    console = Console(highlight=False)
    if not sys.stdout.isatty() or console.is_dumb_terminal:
        raise ConfigError("--watch needs a terminal", hint="zegel status shows it once; zegel metrics is for programs")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the terminal is left as it was
    watched = Watched(names)
    with status_socket.Reader() as reader, Live(console=console, screen=True, auto_refresh=False) as live:
        within_s = EVERY_S / 2  # for the first screen
        while True:
            here = status_socket.running()
            reader.follow(here)
            watched.hear(reader.read(within_s), here, time.monotonic())
            shown = watched.lines(*console.size, now=time.monotonic(), clock=time.strftime("%H:%M:%S"))
            live.update(_painted(shown), refresh=True)
            within_s = EVERY_S


def _painted(lines: Sequence[Line]) -> Text:
    painted = Text(no_wrap=True, overflow="crop", end="")
    for number, line in enumerate(lines):
        painted.append(("\n" if number else "") + line.text, COLOURS[line.kind])
    return painted


class _Heard(NamedTuple):
    said: Mapping[str, Any]
    at: float  # on the monotonic clock

    @property
    def role(self) -> tuple[str, str]:
        return self.said["role"], self.said["name"]


class Watched:
    """What each role said last, also after it has ended, until it runs again."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._names = names
        self._heard: dict[Path, _Heard] = {}
        self._running: set[Path] = set()

    def hear(self, found: Mapping[Path, Mapping[str, Any]], running: set[Path], now: float) -> None:
        """What came by each socket in the last second, and which sockets there are."""
        wanted = {path: _Heard(said, now) for path, said in found.items() if not self._names or said["name"] in self._names}
        self._heard |= wanted
        self._running = running
        here = {heard.role for path, heard in self._heard.items() if path in running}
        ended = [path for path in self._heard if path not in running]
        again = [path for path in ended if self._heard[path].role in here]
        for path in {*again, *ended[:-ROLES_MAX]}:
            del self._heard[path]

    def lines(self, columns: int, rows: int, *, now: float, clock: str) -> list[Line]:
        """All of them for a terminal of this size: in full if they fit, or else only how each is."""
        if not self._heard:
            return [Line(clock), Line(NOT_YET.format(names=printable(", ".join(self._names))) if self._names else NONE_YET)]
        ways = [[*self._blocks(columns, each, now)] for each in (self._share(rows), 0)]
        lines = next((way for way in ways if len(way) <= rows), ways[-1])
        first, left = lines[0], columns - len(clock) - screen.columns_of(lines[0].text)
        return [Line(first.text + (" " * left + clock if left > 0 else ""), first.kind), *lines[1:]]

    def _share(self, rows: int) -> int:
        """The rows of each, with an empty one between two."""
        return (rows + 1) // len(self._heard) - 1

    def _blocks(self, columns: int, rows: int, now: float) -> Iterator[Line]:
        ordered = sorted(self._heard.items(), key=lambda item: item[1].role)
        for number, (path, heard) in enumerate(ordered):
            if number and rows:
                yield Line("")
            yield from self._block(path, heard, columns, rows, now)

    def _block(self, path: Path, heard: _Heard, columns: int, rows: int, now: float) -> list[Line]:
        name, quiet = printable(" ".join(heard.role)), duration(int(now - heard.at))
        if path not in self._running:
            return [Line(f"{name}: not running any more, for {quiet}", Kind.FAULT)]
        if now - heard.at > QUIET_AFTER_S:
            return [
                Line(f"{name}: has said nothing for {quiet}: it stands still, or this computer is overloaded", Kind.FAULT)
            ]
        if (other := keyless.decoded(heard.said)) is not None:
            lines = keyless.lines(other, columns, rows or None)
            return lines if rows else lines[:2]
        if (status := decoded(heard.said)) is None:
            return [Line(screen.OTHER_VERSION.format(name=name))]
        return screen.lines(status, columns, rows) if rows else screen.brief(status, columns)
