"""Console status: the status of a running `zegel console` as values, and what a person sees of it.

What lives here: what it consists of, and its lines. What must not: finding the values out (gateway/console).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import msgspec

from gateway.report.screen import Kind, Line, Row, laid_out
from keys.printable import printable
from keys.times import duration


class ConsoleStatus(msgspec.Struct, frozen=True, kw_only=True, tag_field="role", tag="console"):
    """The counters are since the start of the process. The publisher adds the last two."""

    role: ClassVar[str] = "console"
    name: str  # of this role: console
    uptime_s: float
    port: int  # on this computer alone
    viewers: int  # browsers that are open
    grounds: list[str]  # that it hears
    pictures: int  # that came from them
    browser_dropped: int  # pictures that a browser was too slow for
    refused: dict[str, int]  # requests and messages that were refused, by why
    unexpected: int  # datagrams that met something unexpected, and were dropped
    transcoders: int  # programs that make H.264 of H.265
    last_error: str  # of a transcoder; kept after it has ended
    pid: int = 0
    memory_locked: bool = False


def wrong(status: ConsoleStatus) -> str:
    """What a person has to do; empty if there is nothing."""
    return "" if status.grounds else "it hears no ground: start zegel ground on this computer"


def in_a_line(status: ConsoleStatus) -> str:
    """For the service manager."""
    return wrong(status) or f"{_browsers(status)}, grounds {', '.join(status.grounds)}"


def lines(status: ConsoleStatus, columns: int, rows: int | None) -> list[Line]:
    """The screen of one process."""
    line = wrong(status)
    head = Line(printable(f"console: {_browsers(status)}, on port {status.port} of this computer"), Kind.HEAD)
    facts = [
        Row("wrong", [line or "nothing"], kind=Kind.FAULT if line else Kind.FACT),
        Row("grounds", [*status.grounds] or ["none"]),
        Row("shown", [", ".join(_shown(status))]),
    ]
    if status.refused:
        facts.append(Row("refused", [", ".join(f"{why} {count}" for why, count in sorted(status.refused.items()))]))
    return laid_out(head, facts, columns, rows)


def _browsers(status: ConsoleStatus) -> str:
    return f"{status.viewers} browser{'' if status.viewers == 1 else 's'}"


def _shown(status: ConsoleStatus) -> Iterator[str]:
    yield f"{status.pictures} pictures in {duration(int(status.uptime_s))}"
    if status.browser_dropped:
        yield f"{status.browser_dropped} dropped, a browser was too slow"
    if status.unexpected:
        yield f"{status.unexpected} datagrams dropped, unexpected"
    if status.transcoders:
        yield f"{status.transcoders} made to H.264"
    if status.last_error:
        yield f"last error: {status.last_error}"
