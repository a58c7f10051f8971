"""Tune: the batch size, the wait for more frames and the socket buffers that suit this board, into a tuning.toml.

`few` is measured in memory (bench/crossing.py); the other keys are tried on the real processes.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import socket
import statistics
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bench import output
from bench.crossing import crossing
from bench.fixture import STATIONS, House
from bench.loopback_flight import Flown, Rehearsal, telemetry, written
from bench.measures.batching import coalesce
from bench.pair import Pair
from bench.result import Cell, Options, Progress, Result, Table
from gateway.board import computer
from gateway.config import Tuning

DEFAULT = Path("tuning.toml")
MBIT = 20.0
LINK_OVER_S = 40.0  # of the recorded flight
IP_UDP = 28  # bytes of headers around a datagram
KBIT_WORTH = 100  # of the link
WORTH = f"a millisecond of p50, 1 % of a core and {KBIT_WORTH} kbit/s of the link are worth one point each"
FAVOUR = {"balance": (1, 1), "battery": (3, 1), "latency": (1, 3)}  # weights of cores and link, and of waiting time
GAIN_MIN = 1.0  # points by which another value must be better to replace the installed one; less is noise
STALL_S = 0.5  # a board may be busy for this long without losing video; older video is of no use
LOSS_MAX = 0.01  # %; zero, except for datagrams that a busy machine loses in the bench's own sockets

SUITS = "the installed tuning suits this board"
INSTALLED = Tuning()
Runs = Mapping[Tuning, Sequence[Flown]]


TRIED = ("batch", "flush_ms", "buffer_kib")  # keys


class Plan(NamedTuple):
    """The values that are tried, one at a time; rounds of that and of the comparison; seconds of a flight."""

    batch: tuple[int, ...]
    flush_ms: tuple[float, ...]
    buffer_kib: tuple[int, ...]
    rounds: int
    last_rounds: int
    seconds: float
    crossing_rounds: int


FULL = Plan((8, 16, 32), (0.0, 1.0, 3.0, 5.0), (256, 1024, 2048, 8192), 5, 5, 2.0, 400)
QUICK = Plan((16,), (1.0, 5.0), (1024, 2048), 2, 3, 1.5, 100)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, default=DEFAULT, help=f"default {DEFAULT}")
    parser.add_argument("--favour", choices=FAVOUR, default="balance", help="the goal that counts three times as much")
    parser.add_argument("--mbit", type=float, default=MBIT, help=f"rate of the video to suit; default {MBIT:g}")


def require(args: argparse.Namespace) -> None:
    """ConfigError if the file cannot be made."""
    output.require(args.output)


def measure(options: Options, progress: Progress) -> Result:
    plan, args = QUICK if options.quick else FULL, options.args
    granted_kib = granted() >> 10
    with tempfile.TemporaryDirectory(prefix="zegel-bench-") as folder:
        house, load = House(Path(folder)), (args.mbit, plan.seconds)
        tried = fly(house, candidates(plan, granted_kib), plan.rounds, load, progress)
        tuned, reasons = choose(tried, granted_kib, args.favour)
        few, reasons["few"] = choose_few(crossing(plan.crossing_rounds))
        tuned = msgspec.structs.replace(tuned, few=few)
        compared = fly(house, dict.fromkeys((INSTALLED, tuned)), plan.last_rounds, load, progress)
    args.output.write_text(text(tuned))
    note = f"written: {args.output}; use it: zegel air --tuning {args.output}, and zegel ground likewise"
    tables = (_tried_table(tried, args.mbit, args.favour), _chosen_table(tuned, reasons), _compared_table(compared, tuned))
    return Result("tune", tables, (note,), verdict=_verdict(tuned))


def _verdict(tuned: Tuning) -> str:
    """What differs from the installed tuning."""
    pairs = zip(Tuning.__struct_fields__, _values(INSTALLED), _values(tuned), strict=True)
    changed = [f"{key} {then} becomes {now}" for key, then, now in pairs if then != now]
    return f"another tuning suits this board: {', '.join(changed)}" if changed else SUITS


def granted() -> int:
    """The largest receive buffer of the system, in bytes; Linux reports twice the value that it counts."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 30)
        return probe.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2


def candidates(plan: Plan, granted_kib: int) -> list[Tuning]:
    """The installed tuning, and each change of one key; only buffers that the system would give."""
    found = [INSTALLED]
    for key in TRIED:
        values = [value for value in getattr(plan, key) if key != "buffer_kib" or value <= granted_kib]
        found += [msgspec.structs.replace(INSTALLED, **{key: value}) for value in values]
    return found


def fly(
    house: House, tunings: Iterable[Tuning], rounds: int, load: tuple[float, float], progress: Progress
) -> dict[Tuning, list[Flown]]:
    """Rehearse under each tuning once a round, in turn. `load`: Mbit/s of the video, seconds."""
    flown: dict[Tuning, list[Flown]] = {tuning: [] for tuning in tunings}
    for number in range(rounds):
        for place, tuning in enumerate(flown):
            progress(number * len(flown) + place, rounds * len(flown), f"tune: {', '.join(written(tuning).splitlines())}")
            with Rehearsal(house, tuning, load[0]) as rehearsal:
                flown[tuning].append(rehearsal.fly(load[1]))
    return flown


# --- the choice ---


def median(flights: Sequence[Flown]) -> Flown:
    """Figure by figure."""
    return Flown(*map(statistics.median, zip(*flights, strict=True)))


@functools.cache
def link_kbit(flush_ms: float) -> float:
    """The rate of the recorded flight's telemetry on a link, both lanes with their IP and UDP headers; computed."""
    sealed = coalesce(Pair(), telemetry(LINK_OVER_S), flush_ms / 1000)
    return len(STATIONS) * 8 * (sealed.size + IP_UDP * sealed.datagrams) / 1000 / LINK_OVER_S


def points(tuning: Tuning, flown: Flown, favour: str) -> float:
    """The points of a tuning; fewer are better."""
    spent, waited = FAVOUR[favour]
    work = flown.air + flown.ground + link_kbit(tuning.flush_ms) / KBIT_WORTH
    return spent * work + waited * (flown.telemetry_p50 + flown.video_p50)


def choose(tried: Runs, granted_kib: int, favour: str) -> tuple[Tuning, dict[str, str]]:
    """The best value of each key, and why."""
    middle = {tuning: median(flights) for tuning, flights in tried.items()}
    batch, why_batch = _cheapest("batch", middle, favour)
    flush_ms, why_flush = _cheapest("flush_ms", middle, favour)
    buffer_kib, why_buffer = _least_buffer(middle, granted_kib)
    reasons = {"batch": why_batch, "flush_ms": why_flush, "buffer_kib": why_buffer}
    return Tuning(batch=batch, flush_ms=flush_ms, buffer_kib=buffer_kib), reasons


def choose_few(crossing: int) -> tuple[int, str]:
    """The installed value unless the measured one differs from it by a factor of two: the cost changes little between."""
    if INSTALLED.few / 2 < crossing < INSTALLED.few * 2:
        return INSTALLED.few, f"up to {crossing} a loop of Python is faster, which is about the same"
    return crossing, f"up to {crossing} a loop of Python is faster"


def _alone(key: str, middle: Mapping[Tuning, Flown]) -> dict[Tuning, Flown]:
    """The flights in which only `key` was changed, by its rising value."""
    installed = {key: getattr(INSTALLED, key)}
    same = [tuning for tuning in middle if msgspec.structs.replace(tuning, **installed) == INSTALLED]
    return {tuning: middle[tuning] for tuning in sorted(same, key=lambda tuning: float(getattr(tuning, key)))}


def _cheapest(key: str, middle: Mapping[Tuning, Flown], favour: str) -> tuple[Any, str]:
    cost = {getattr(tuning, key): points(tuning, flown, favour) for tuning, flown in _alone(key, middle).items()}
    installed = getattr(INSTALLED, key)
    best = min(cost, key=lambda value: cost[value])
    gain = cost[installed] - cost[best]
    if gain < GAIN_MIN:
        return installed, f"no other was better by {GAIN_MIN:g} point"
    return best, f"{gain:.1f} points better than {installed:g}"


def _least_buffer(middle: Mapping[Tuning, Flown], granted_kib: int) -> tuple[int, str]:
    """The smallest buffer that loses nothing: a larger one only keeps video that is too old to be of use."""
    flown = {tuning.buffer_kib: flight for tuning, flight in _alone("buffer_kib", middle).items()}
    for value, flight in flown.items():
        if flight.lost <= LOSS_MAX and flight.kept >= STALL_S:
            return value, f"the smallest that loses nothing, not even while air stands still for {STALL_S:g} s"
    most = max(flown)
    reason = f"the largest; of {STALL_S:g} s that air stands still it keeps {flown[most].kept:.2g} s"
    if granted_kib < most:
        reason += f", for the system gives {granted_kib} KiB: sysctl -w net.core.rmem_max={most << 10}"
    return most, reason


def text(tuning: Tuning) -> str:
    """The file, with a line on where it comes from."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return f"# zegel bench tune, {today}, {computer.processor()}\n{written(tuning)}"


# --- tables ---


def _tried_table(tried: Runs, mbit: float, favour: str) -> Table:
    rows = []
    for tuning, flights in tried.items():
        m = median(flights)
        figures = (m.air, m.ground, m.telemetry_p50, m.video_p50, link_kbit(tuning.flush_ms), m.lost, m.kept)
        rows.append((*_values(tuning), *figures, points(tuning, m, favour)))
    columns = (
        *("batch", "few", "wait (ms)", "buffer (KiB)", "air (%)", "ground (%)", "telemetry p50 (ms)", "video p50 (ms)"),
        *("link (kbit/s)", "lost (%)", "kept (s)", "points"),
    )
    notes = (
        f"a recorded flight's telemetry from a UART, {mbit:g} Mbit/s of video in whole pictures; a pilot and an observer",
        "link: the rate of that telemetry, both lanes with IP and UDP, computed",
        "kept: seconds of video that arrive after air has stood still",
        WORTH if favour == "balance" else f"{WORTH}, or three for the goal of {favour}",
    )
    return Table("What was tried", columns, tuple(rows), notes, keys=len(Tuning.__struct_fields__))


def _chosen_table(tuned: Tuning, reasons: Mapping[str, str]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (key, installed, value, reasons[key])
        for key, installed, value in zip(Tuning.__struct_fields__, _values(INSTALLED), _values(tuned), strict=True)
    ]
    return Table("What was chosen", ("key", "installed", "tuned", "why"), tuple(rows))


def _compared_table(compared: Runs, tuned: Tuning) -> Table:
    names = (
        *("air, % of a core", "ground, % of a core", "telemetry p50, ms", "telemetry p99, ms", "video p50, ms"),
        *("video p99, ms", "lost, %", "video kept over a stall, s", "telemetry on the link, kbit/s"),
    )
    before, after = ((*median(compared[tuning]), link_kbit(tuning.flush_ms)) for tuning in (INSTALLED, tuned))
    rows = tuple((name, then, now, now - then) for name, then, now in zip(names, before, after, strict=True))
    note = SUITS if tuned == INSTALLED else "measured again, in turn; medians"
    return Table("Before and after", ("figure", "installed", "tuned", "difference"), rows, (note,))


def _values(tuning: Tuning) -> tuple[Cell, ...]:
    return tuple(getattr(tuning, key) for key in Tuning.__struct_fields__)
