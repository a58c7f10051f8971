"""Mavlink: frames per CPU-second through framing, guard, bundle and seal, compared with pymavlink's parser and MAVProxy."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from pymavlink.dialects.v20 import ardupilotmega

from bench import air_turn, install
from bench.air_turn import Turn
from bench.clock import cpu_per_call, medians
from bench.repeater import Air, Fed, MavProxy, Repeater, feed, mavproxy, wait_ready
from bench.result import Cell, Options, Plot, Progress, Result, Table
from gateway.demo.flight import recorded_flight

PARSER = "pymavlink's parser"
TARGET = 20  # times MAVProxy's frames per CPU-second
LOST_MAX = 0.001  # of the frames, at a rate that counts as loss-free


class Plan(NamedTuple):
    """Rounds of the steps, of the processes; frames a second offered to each process; seconds of each run."""

    rounds: int
    process_rounds: int
    rates: Mapping[str, tuple[int, ...]]
    seconds: float


FULL = Plan(
    9, 3, {Air.name: (300, 1000, 10_000, 50_000, 100_000, 150_000), MavProxy.name: (300, 1000, 5000, 10_000, 15_000)}, 2.0
)
QUICK = Plan(5, 1, {Air.name: (1000, 10_000, 100_000), MavProxy.name: (1000, 10_000)}, 0.7)
PARSER_S = 0.05

Runs = dict[tuple[str, int], list[Fed]]  # (program, frames a second) -> one of each round


def measure(options: Options, progress: Progress) -> Result:
    plan = QUICK if options.quick else FULL
    flight = [frame for _, frame in recorded_flight()]
    steps = _steps(flight, plan, progress)
    runs = _processes(flight, plan, progress)
    notes = ["a recorded flight of ArduCopter, one frame a datagram; an order with a pilot and an observer: sealed twice"]
    if mavproxy():
        notes += _ratios(runs)
    else:
        notes.append(f"MAVProxy: not installed; {install.command('MAVProxy')}")
    return Result("mavlink", (_step_table(steps), _process_table(runs)), tuple(notes), verdict=_verdict(runs))


# --- in memory ---


def _steps(flight: Sequence[bytes], plan: Plan, progress: Progress) -> dict[str, float]:
    """CPU seconds a frame."""
    frames = flight[: air_turn.FRAMES]
    ways: dict[str, Callable[[], float]] = {**Turn(frames).steps(), PARSER: lambda: cpu_per_call(parse(frames), PARSER_S)}
    took = medians(ways, plan.rounds, progress, "mavlink: in memory")
    return {name: seconds / len(frames) for name, seconds in took.items()}


def parse(frames: Sequence[bytes]) -> Callable[[], None]:
    """pymavlink's parser over all `frames`, as mavutil calls it for each datagram."""
    parser = ardupilotmega.MAVLink(None)
    parser.robust_parsing = True

    def run() -> None:
        for frame in frames:
            parser.parse_buffer(frame)

    return run


def _step_table(took: Mapping[str, float]) -> Table:
    rows = tuple((name, 1e9 * each, 1 / each, took[PARSER] / each) for name, each in took.items())
    columns = ("step", "ns a frame", "frames per CPU-second", "times pymavlink")
    library = f"pymavlink {version('pymavlink')}, ardupilotmega"
    note = f"turns of {air_turn.FRAMES} frames: a socket that is always full; {library}"
    return Table("In memory, step by step", columns, rows, (note,), Plot("bar", "step", ("ns a frame",)))


# --- processes ---


def _processes(flight: Sequence[bytes], plan: Plan, progress: Progress) -> Runs:
    with tempfile.TemporaryDirectory(prefix="zegel-bench-") as folder, ExitStack() as stack:
        repeaters: list[Repeater] = [Air(Path(folder))]
        if mavproxy():
            repeaters.append(MavProxy(Path(folder)))
        for repeater in repeaters:
            stack.callback(repeater.close)
        for repeater in repeaters:
            wait_ready(repeater, flight[0])
        cases = [(repeater, rate) for repeater in repeaters for rate in plan.rates[repeater.name]]
        runs: Runs = {(repeater.name, rate): [] for repeater, rate in cases}
        for number in range(plan.process_rounds):
            for place, (repeater, rate) in enumerate(cases):
                done, total = number * len(cases) + place, plan.process_rounds * len(cases)
                progress(done, total, f"mavlink: {repeater.name}, {rate:,} frames/s")
                runs[repeater.name, rate].append(feed(repeater, flight, rate, plan.seconds))
        return runs


def _process_table(runs: Runs) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for (name, _), fed in runs.items():
        sent = statistics.median(run.sent / run.seconds for run in fed)
        busy = statistics.median(run.cpu / run.seconds for run in fed)
        rows.append((name, sent, 100 * (1 - delivered(fed)), 100 * busy, per_cpu(fed)))
    columns = ("program", "frames/s", "lost (%)", "CPU (%)", "frames per CPU-second")
    return Table("As processes, over UDP", columns, tuple(rows))


def delivered(fed: Sequence[Fed]) -> float:
    """The share of all frames sent that were passed on."""
    return sum(run.passed for run in fed) / sum(run.sent for run in fed)


def per_cpu(fed: Sequence[Fed]) -> float:
    """Frames passed on per CPU-second of the program, the median of the runs."""
    return statistics.median(run.passed / run.cpu for run in fed)


def _verdict(runs: Runs) -> str:
    """What `zegel air` carries without loss, and how it compares where each program is at its best."""
    carried = [rate for (name, rate), fed in runs.items() if name == Air.name and delivered(fed) >= 1 - LOST_MAX]
    if not carried:
        return f"{Air.name} loses frames at every rate that was offered"
    said = f"{Air.name} seals {max(carried):,} frames a second without loss"
    if len(best := _best(runs)) > 1:
        said += f", and for the same CPU time {best[Air.name] / best[MavProxy.name]:.0f} times as many as MAVProxy"
    return said


def _best(runs: Runs) -> dict[str, float]:
    """Frames for each CPU second of each program, at the loss-free rate that suits it best."""
    return {name: max(per_cpu(fed) for fed in kept) for name, kept in _loss_free(runs).items()}


def _ratios(runs: Runs) -> list[str]:
    """The ratio at each rate that both were offered, and at the best loss-free rate of each."""
    both = {rate: fed for (name, rate), fed in runs.items() if name == Air.name and (MavProxy.name, rate) in runs}
    ratios = {rate: per_cpu(fed) / per_cpu(runs[MavProxy.name, rate]) for rate, fed in both.items()}
    notes = [f"at {rate:,} frames/s: {ratio:.1f} times MAVProxy {version('MAVProxy')}" for rate, ratio in ratios.items()]
    best = _best(runs)
    if len(best) > 1:
        ratio = best[Air.name] / best[MavProxy.name]
        notes.append(f"each at the loss-free rate that suits it best: {ratio:.1f} times MAVProxy, of {TARGET} wanted")
    return notes


def _loss_free(runs: Runs) -> dict[str, list[list[Fed]]]:
    kept: dict[str, list[list[Fed]]] = {}
    for (name, _), fed in runs.items():
        if delivered(fed) >= 1 - LOST_MAX:
            kept.setdefault(name, []).append(fed)
    return kept
