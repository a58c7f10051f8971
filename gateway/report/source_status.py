"""Source status: the status of a running `zegel source` as values, and what a person sees of it.

What lives here: what it consists of, and its lines. What must not: finding the values out (gateway/sources).
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import ClassVar

import msgspec

from gateway.report.screen import MBIT, Kind, Line, Row, laid_out
from keys.printable import printable
from keys.times import duration


class State(enum.StrEnum):
    """The state of a source."""

    STARTING = "starting"  # nothing has come since its command, or since the process, was started
    BRINGING = "bringing"  # pictures come
    SILENT = "silent"  # they came, and none does now
    WAITING = "waiting"  # its command has ended, and is started again after a pause


class SourceReport(msgspec.Struct, frozen=True, kw_only=True):
    """One [[source]]. The counters are since the start of the process, the rate is of the last seconds."""

    name: str
    lane: str
    way: str  # run, rtmp, rtsp or socket
    seen_by: str  # who has the pictures in plain before they are sealed; empty: no one
    state: State
    age_s: float | None  # since the last datagram; None if there was none
    pictures: int  # complete ones; 0 of a source that gives rtp or ts
    datagrams: int
    taken: bool  # whether a zegel air was there in the last seconds
    not_taken: int  # datagrams that no zegel air was there for
    kbit: float
    restarts: int
    damage: dict[str, int]  # of the stream, by kind; and what did not come as it should
    telemetry: dict[str, int]  # records of a vendor's process, by topic
    last_error: str  # kept after it has ended


class SourcesStatus(msgspec.Struct, frozen=True, kw_only=True, tag_field="role", tag="source"):
    """The status of `zegel source`. The publisher adds the last two."""

    role: ClassVar[str] = "source"
    name: str
    uptime_s: float
    sources: list[SourceReport]
    pid: int = 0
    memory_locked: bool = False


def wrong(status: SourcesStatus) -> str:
    """The first source that brings nothing, and why; empty if there is none."""
    for source in status.sources:
        if source.state is not State.BRINGING:
            return _trouble(source)
        if not source.taken:
            return f"no zegel air takes the pictures of source {source.name}: is it started, with that port in video?"
    return ""


def in_a_line(status: SourcesStatus) -> str:
    """For the service manager."""
    return wrong(status) or "every source brings pictures"


def lines(status: SourcesStatus, columns: int, rows: int | None) -> list[Line]:
    """The screen of one process."""
    bringing = sum(source.state is State.BRINGING for source in status.sources)
    head = f"source {status.name}: {bringing} of {len(status.sources)} bring pictures"
    line = wrong(status)
    facts = [Row("wrong", [line or "nothing"], kind=Kind.FAULT if line else Kind.FACT)]
    facts += [Row(f"lane {source.lane}", [", ".join(_facts(source))]) for source in status.sources]
    return laid_out(Line(printable(head), Kind.HEAD), facts, columns, rows)


def _trouble(source: SourceReport) -> str:
    said = f": {source.last_error}" if source.last_error else ""
    since = "" if source.age_s is None else f" for {duration(int(source.age_s))}"
    return f"source {source.name} brings no picture{since}{said}"


def _facts(source: SourceReport) -> Iterator[str]:
    rate = f"{source.kbit / MBIT:.1f} Mbit/s" if source.kbit >= MBIT else f"{source.kbit:.0f} kbit/s"
    yield f"{source.name} by {source.way}: {f'pictures, {rate}' if source.state is State.BRINGING else source.state.value}"
    yield (
        f"{source.seen_by} has them in plain before the seal" if source.seen_by else "no one else has them before the seal"
    )
    if source.restarts:
        yield f"started again {source.restarts} times"
    if source.damage:
        yield f"damaged: {', '.join(f'{kind} {count}' for kind, count in source.damage.items())}"
    if source.not_taken:
        yield f"{source.not_taken} datagrams without a zegel air"
    if source.last_error and source.state is State.BRINGING:
        yield f"last error: {source.last_error}"
