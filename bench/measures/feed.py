"""Feed: the CPU time and latency of a ground whose feed no program reads, two read, and one more does not read.

What lives here: one pair, whose feed is read and not read in turn. What must not: what such programs do themselves.
"""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from bench import load, verdict, wanted
from bench.clock import cpu_of
from bench.compiler import Absent
from bench.measures.latency import SERIAL_FRAMES, Heard, Mix, send
from bench.relay import Relay
from bench.result import Cell, Options, Progress, Result, Table
from bench.wanted import Wanted
from bench.workspace import Scene, end, scene
from bench.zegel_pair import ZegelPair
from gateway.report.role_status import FeedStatus, GroundStatus
from gateway.report.status_socket import read_all

MIX = Mix(load.Load(4, pictures=True), SERIAL_FRAMES)
MORE_CPU, LATER_MS = 15.0, 0.2
ALONE, READ, STALLED = "none", "two", "two, and one that stalls"
READERS: Mapping[str, tuple[int, int]] = {ALONE: (0, 0), READ: (2, 0), STALLED: (2, 1)}  # how many read, and stall
FULL, QUICK = (7, 6.0), (2, 2.0)  # rounds, seconds of each
WITHIN_S = 20.0


class Flown(NamedTuple):
    """One flight: the ground's CPU time in percent of a core; milliseconds to the player; datagrams lost before it."""

    cpu: float
    p50: float
    p99: float
    lost: int


def measure(options: Options, progress: Progress) -> Result:
    rounds, seconds = QUICK if options.quick else FULL
    with scene() as here:
        pair = ZegelPair()
        relay = pair.start(here)
        relay.wait_ready()
        ways = {"telemetry": pair.telemetry, "video": relay.ways}
        flown: dict[str, list[Flown]] = {name: [] for name in READERS}
        for number in range(rounds * len(READERS)):
            name = [*READERS][number % len(READERS)]
            progress(number, rounds * len(READERS), f"{name}, round {number // len(READERS) + 1}")
            with _readers(here, relay, *READERS[name]):
                flown[name].append(_fly(here, relay, ways, seconds))
        behind = _feed(relay).behind
    bounds = [*_bounds(flown)]
    notes = (
        f"{MIX.video.name if MIX.video else ''} Mbit/s of 1280x720 at 30/s, and {MIX.frames} frames of telemetry a second",
        f"medians of {rounds} rounds of {seconds:g} s, in which each is measured once; what is more, of the rounds' ratios",
        f"a queue of the program that stalls was full {behind} times",
    )
    tables = (wanted.table(bounds, "What is wanted of a feed"), _table(flown, notes))
    return Result("feed", tables, (load.note(),), verdict=_verdict(bounds))


def _fly(here: Scene, relay: Relay, ways: Mapping[str, load.Ways], seconds: float) -> Flown:
    before, began = cpu_of(relay.opening), time.monotonic()
    heard = send(here, MIX, ways, seconds)
    cpu = 100 * (cpu_of(relay.opening) - before) / (time.monotonic() - began)
    video: Heard = heard["video"]
    p50, p99 = np.percentile(video.ms, (50, 99)).tolist()
    return Flown(cpu, p50, p99, video.lost)


@contextlib.contextmanager
def _readers(here: Scene, relay: Relay, reading: int, stalling: int) -> Iterator[None]:
    """Programs that have subscribed to everything."""
    address = _feed(relay).address
    words = (sys.executable, "-m", "bench.feed_program", address)
    programs = [here.start(words, f"reader-{number}") for number in range(reading + stalling)]
    _wait(relay, len(programs))
    for program in programs[:stalling]:
        program.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for program in programs[:stalling]:
            os.kill(program.pid, signal.SIGCONT)
        for program in programs:
            end(program)
        _wait(relay, 0)


def _wait(relay: Relay, subscribers: int) -> None:
    until = time.monotonic() + WITHIN_S
    while time.monotonic() < until:
        if all(count == subscribers for count in _feed(relay).subscriptions.values()):
            return
    raise Absent(f"the feed has not {subscribers} subscribers within {WITHIN_S:g} s", hint="read what the ground says")


def _feed(relay: Relay) -> FeedStatus:
    for status in read_all():
        if isinstance(status, GroundStatus) and status.pid == relay.opening:
            return status.feed
    raise Absent("the ground has no status", hint="read what it says")


def _bounds(flown: Mapping[str, Sequence[Flown]]) -> Iterator[Wanted]:
    alone = flown[ALONE]
    for name in (READ, STALLED):
        pairs = [*zip(alone, flown[name], strict=True)]
        more = statistics.median(100 * (read.cpu / none.cpu - 1) for none, read in pairs)
        yield Wanted(f"ground's CPU, more by (%), programs that read: {name}", more, MORE_CPU)
        later = statistics.median(read.p50 - none.p50 for none, read in pairs)
        yield Wanted(f"p50 of the player, later by (ms), programs that read: {name}", later, LATER_MS)
    yield Wanted("lost on the way to the player", sum(each.lost for all_ in flown.values() for each in all_), 0)


def _table(flown: Mapping[str, Sequence[Flown]], notes: Sequence[str]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (name, *(statistics.median(column) for column in zip(*rounds, strict=True))) for name, rounds in flown.items()
    ]
    columns = ("programs that read", "ground (% of a core)", "p50 (ms)", "p99 (ms)", "lost")
    return Table("A ground and the programs that read its feed", columns, tuple(rows), tuple(notes))


def _verdict(bounds: Sequence[Wanted]) -> str:
    more = verdict.figure(bounds[0].measured)
    return f"two programs that read a feed cost its ground {more} % more; {wanted.summary(bounds)}"
