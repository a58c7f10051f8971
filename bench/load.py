"""Load: paced datagrams into a relay, and the count of those that come out, each in a process of its own.

What lives here: starting generator and sink (bench/c/load.c), and reading their output. What must not: relays, tables.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.compiler import Absent, built
from bench.workspace import end
from gateway.demo.stage import HOST

VIDEO_SIZE = 1200  # bytes of a datagram of kind "rtp"
FRAME_SIZE = 40  # bytes of a datagram of kind "mavlink"
# Sizes of the pictures of x264, 1080p30 (4: 720p30): ultrafast, zerolatency, every 60th a key picture; by Mbit/s.
TRACES = Path(__file__).parent / "traces"
PICTURES_PER_S = 30
READY_WITHIN_S = 10.0
END_WITHIN_S = 30.0
SEEN_WITHIN_S = 0.3  # a ground sends to a new program of this computer after it has looked up its user


class Ways(NamedTuple):
    """Where datagrams enter and leave a relay; `before` and `behind` are prefixes of the programs that run there."""

    enter: int
    leave: int
    enter_host: str = HOST
    leave_host: str = HOST
    before: Sequence[str] = ()
    behind: Sequence[str] = ()


class Offered(NamedTuple):
    """What a generator sent, in how many seconds, and its own CPU seconds."""

    sent: int
    seconds: float
    cpu_s: float


class Counted(NamedTuple):
    """The datagrams of a sink: different ones, repeats, those after a later one, and those of other senders."""

    received: int
    duplicates: int
    out_of_order: int
    foreign: int
    seconds: float
    cpu_s: float


class Run(NamedTuple):
    """One load: what went in and what came out."""

    offered: Offered
    counted: Counted

    @property
    def lost(self) -> float:
        """The share that did not come out."""
        return 1 - self.counted.received / self.offered.sent


@functools.cache
def tool() -> tuple[str, ...]:
    """The words that start generator and sink: compiled C, or without a compiler Python."""
    try:
        return (str(built("load")),)
    except Absent:
        return (sys.executable, "-m", "bench.slow_load")


def note() -> str:
    """The note about generator and sink."""
    compiled = len(tool()) == 1
    return (
        "generator and sink: C, bench/c/load.c"
        if compiled
        else "there is no C compiler: generator and sink are Python, and may be the bottleneck; apt install gcc libc6-dev"
    )


class Load(NamedTuple):
    """Video of so many Mbit/s: in the pictures of an encoder, each at once, or evenly spaced, the worst case."""

    mbit: float
    pictures: bool = False

    @property
    def name(self) -> str:
        return f"{'pictures' if self.pictures else 'even'} {self.mbit:g}"

    def sent_to(self, ways: Ways, seconds: float, first: int) -> Generator:
        if self.pictures:
            kind = f"pictures:{TRACES / f'x264-{self.mbit:g}.txt'}"
            return Generator(ways, PICTURES_PER_S, round(PICTURES_PER_S * seconds), first, kind)
        rate = self.mbit * 1e6 / 8 / VIDEO_SIZE
        return Generator(ways, rate, max(1, round(rate * seconds)), first)


class Sink:
    """Counts the datagrams at a port, from its start. Numbers below `first` are those of an earlier load."""

    def __init__(self, ways: Ways, first: int = 0, latencies: Path | None = None) -> None:
        self._file = latencies
        words = [*ways.behind, *tool(), "sink", ways.leave_host, str(ways.leave), str(first)]
        self._process = _start([*words, *([] if latencies is None else [str(latencies)])])
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            end(self._process)
            raise OSError(f"no sink at {ways.leave_host}:{ways.leave}")

    def end(self) -> Counted:
        """The result, when no more datagrams come."""
        self._process.terminate()
        return Counted(**_told(self._process))

    def latencies(self) -> npt.NDArray[np.int64]:
        """Nanoseconds from sending to receiving, in the order of arrival; after `end`."""
        assert self._file is not None
        return np.fromfile(self._file, np.int64)

    def close(self) -> None:
        end(self._process)


class Generator:
    """Sends `count` datagrams at `rate` a second, from its start."""

    def __init__(self, ways: Ways, rate: float, count: int, first: int = 0, kind: str = "rtp", gso: bool = False) -> None:
        words = [*ways.before, *tool(), "send", ways.enter_host, str(ways.enter), kind, str(rate), str(count), str(first)]
        self._process = _start([*words, *(["gso"] if gso else [])])

    def end(self) -> Offered:
        """Wait until all are sent."""
        return Offered(**_told(self._process, None))

    def close(self) -> None:
        end(self._process)


def run(ways: Ways, rate: float, seconds: float, first: int = 0, gso: bool = False) -> Run:
    """Offer video datagrams at `rate` a second for this time, and count those that come out."""
    return _counted(Sink(ways, first), lambda: Generator(ways, rate, max(1, round(rate * seconds)), first, gso=gso))


def carry(load: Load, ways: Ways, seconds: float, first: int, latencies: Path) -> tuple[Run, npt.NDArray[np.int64]]:
    """As `run`; and the nanoseconds that each took, by way of that file."""
    sink = Sink(ways, first, latencies)
    run = _counted(sink, lambda: load.sent_to(ways, seconds, first))
    return run, sink.latencies()


def _counted(sink: Sink, start: Callable[[], Generator]) -> Run:
    try:
        time.sleep(SEEN_WITHIN_S)
        generator = start()
        try:
            offered = generator.end()
        finally:
            generator.close()
        return Run(offered, sink.end())
    finally:
        sink.close()


def _start(words: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - generator or sink, as `tool` found it
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )


def _told(process: subprocess.Popen[bytes], within_s: float | None = END_WITHIN_S) -> dict[str, Any]:
    said, _ = process.communicate(timeout=within_s)
    if process.returncode:
        raise OSError(f"{process.args!r} ended with {process.returncode}")
    told: dict[str, Any] = json.loads(said)
    return told
