"""Share status: the status of a running `zegel share` as values, and what a person sees of it.

What lives here: what it consists of, and its lines. What must not: finding the values out (gateway/share).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import msgspec

from gateway.report.screen import Kind, Line, Row, laid_out
from keys.printable import printable


class OutputReport(msgspec.Struct, frozen=True, kw_only=True):
    """One output of share.toml. The counters are since the start of the process."""

    name: str  # its table in share.toml
    where: str  # its address, without a password
    up: bool
    readers: int | None  # at this moment; None if that cannot be known, as of a multicast
    sent: int  # packets or messages
    refused: dict[str, int]  # readers that were refused or left out, by why
    last_error: str
    streams: list[str]  # what can be had, by name


class ShareStatus(msgspec.Struct, frozen=True, kw_only=True, tag_field="role", tag="share"):
    """The status of `zegel share`. The publisher adds the last two."""

    role: ClassVar[str] = "share"
    name: str
    uptime_s: float
    confidential: bool  # share.toml allows what is of a confidential order
    grounds: list[str]  # that are shared, by the names of their stations
    withheld: dict[str, int]  # messages by the ground they came from, because its order is confidential or not known yet
    outputs: list[OutputReport]
    pid: int = 0
    memory_locked: bool = False


def wrong(status: ShareStatus) -> str:
    """The first fault; empty if there is none."""
    for output in status.outputs:
        if not output.up:
            return f"{output.name} at {output.where} is down: {output.last_error or 'it has not begun'}"
    if not status.grounds and not status.withheld:
        return "no zegel ground of this computer is heard"
    if status.withheld and not status.grounds:
        return f"nothing is shared of {', '.join(status.withheld)}: its order is confidential (see share.toml)"
    return ""


def in_a_line(status: ShareStatus) -> str:
    """For the service manager."""
    return wrong(status) or f"in clear: {'; '.join(map(_short, status.outputs))}"


def lines(status: ShareStatus, columns: int, rows: int | None) -> list[Line]:
    """The screen of one process."""
    head = f"share {status.name}: IN CLEAR to {', '.join(f'{one.name} {one.where}' for one in status.outputs)}"
    line = wrong(status)
    facts = [Row("wrong", [line or "nothing"], kind=Kind.FAULT if line else Kind.FACT)]
    facts.append(Row("from", [", ".join(status.grounds) or "no ground"]))
    facts += [Row(output.name, [", ".join(_facts(output))]) for output in status.outputs]
    facts += [Row("withheld", [f"{count} messages of {ground}"]) for ground, count in status.withheld.items()]
    return laid_out(Line(printable(head), Kind.HEAD), facts, columns, rows)


def _short(output: OutputReport) -> str:
    return f"{output.name} {output.where}, {_readers(output)}"


def _readers(output: OutputReport) -> str:
    if output.readers is None:
        return "readers not known"
    return f"{output.readers} reader{'s' if output.readers != 1 else ''}"


def _facts(output: OutputReport) -> Iterator[str]:
    yield output.where
    yield _readers(output)
    yield f"{output.sent} sent"
    if output.streams:
        yield f"there is {' '.join(output.streams)}"
    if output.refused:
        yield f"refused: {', '.join(f'{why} {count}' for why, count in output.refused.items())}"
    if output.last_error:
        yield f"last error: {output.last_error}"
