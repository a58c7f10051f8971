"""Batching: the sealing and opening data path against the size of a datagram, the size of a batch, and coalescing.

It runs the product's own Bundler, Sealer and Opener under a real session in memory; no socket and no process.
"""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from bench import aead
from bench.clock import cpu_per_call, medians
from bench.pair import Pair, arrived
from bench.result import Cell, Options, Plot, Progress, Result, Table
from bench.verdict import figure
from gateway.batch import CAPACITY, Batch
from gateway.core.bundle import FLUSH_MAX_S, FLUSH_S, PADDING_ONLY_AFTER_S, Bundler
from gateway.core.wire import LINK_MTU
from gateway.demo.flight import Log, recorded_flight
from keys.lanes import Lane

VIDEO_SIZE = 1200  # bytes, as for the encoders of examples/
AEAD_S = 0.01


class Plan(NamedTuple):
    """The extent of the measurement. `run` is datagrams, or frames, per figure; rates are per second."""

    sizes: tuple[int, ...]
    batches: tuple[int, ...]
    frame_rates: tuple[int, ...]
    waits_s: tuple[float, ...]
    mbits: tuple[int, ...]
    run: int
    rounds: int


WAITS_S = (0.0, 0.001, FLUSH_S, FLUSH_MAX_S)
VIDEO_WAITS_S = (0.0, 0.00025, 0.001)
FULL = Plan(
    (64, 128, 256, 512, 1024, VIDEO_SIZE, 1400),
    (1, 2, 4, 8, 16, 32, 64),
    (60, 200, 1000, 5000),
    WAITS_S,
    (2, 8, 20, 50),
    8192,
    9,
)
QUICK = Plan((64, VIDEO_SIZE, 1400), (1, 8, 64), (60, 1000), (0.0, FLUSH_S), (8, 50), 2048, 5)

Key = tuple[str, int, int]  # (what, size in bytes, datagrams a batch)


def measure(options: Options, progress: Progress) -> Result:
    plan, pair = QUICK if options.quick else FULL, Pair()
    fills = sorted({*plan.batches, *(filling(mbit, wait) for mbit in plan.mbits for wait in VIDEO_WAITS_S)})
    shapes = sorted({*((size, CAPACITY) for size in plan.sizes), *((VIDEO_SIZE, count) for count in fills)})
    ways: dict[Key, Callable[[], float]] = {}
    for size, count in shapes:
        ways["seal", size, count] = functools.partial(seal, pair, size, count, plan.run)
        ways["open", size, count] = functools.partial(open_, pair, size, count, plan.run)
    for size in plan.sizes:
        ways["AEAD", size, CAPACITY] = functools.partial(cpu_per_call, aead.in_place(size), AEAD_S)
    took = medians(ways, plan.rounds, progress, "chunk: batches")
    tables = (_by_size(plan, took), _by_batch(plan, took), _telemetry(plan, pair, progress), _video(plan, took))
    note = "CPU time, medians; in memory: the cost of a socket is additional, and link shows it"
    return Result("batching", tables, (note,), verdict=_verdict(plan, took))


def _verdict(plan: Plan, took: Mapping[Key, float]) -> str:
    """Of the largest and the smallest batch."""
    (few, each_few), (many, each_many) = (
        (count, [1e6 * took[what, VIDEO_SIZE, count] for what in ("seal", "open")])
        for count in (min(plan.batches), max(plan.batches))
    )
    of_many, of_few = (" / ".join(map(figure, each)) for each in (each_many, each_few))
    return f"in Python a datagram takes {of_many} us to seal / open in batches of {many}, and {of_few} us in those of {few}"


# --- one figure each: CPU seconds per datagram ---


def seal(pair: Pair, size: int, count: int, run: int) -> float:
    """Seal `run` datagrams of `size` bytes, `count` a batch."""
    batch, took, runs = Batch(count), 0.0, -(-run // count)
    for _ in range(runs):
        fill(batch, size)
        began = time.process_time()
        pair.seal(Lane.VIDEO_A, batch)
        took += time.process_time() - began
    return took / (runs * count)


def open_(pair: Pair, size: int, count: int, run: int) -> float:
    """Open as many; AssertionError if one does not open."""
    pair.hear()
    sealed, came, took, runs = Batch(count), Batch(count), 0.0, -(-run // count)
    opened = pair.opener.opened[Lane.VIDEO_A]
    for _ in range(runs):
        fill(sealed, size)
        pair.seal(Lane.VIDEO_A, sealed)
        arrived(sealed, came)
        began = time.process_time()
        pair.opener.open(came, pair.now)
        took += time.process_time() - began
    assert pair.opener.opened[Lane.VIDEO_A] - opened == runs * count, pair.opener.drops
    return took / (runs * count)


def fill(batch: Batch, size: int) -> None:
    """A full batch of datagrams of `size` bytes, in the form in which a socket leaves them."""
    batch.clear()
    batch.count = batch.capacity
    batch.lengths[:] = size


# --- tables ---


def _by_size(plan: Plan, took: dict[Key, float]) -> Table:
    rows = []
    for size in plan.sizes:
        sealed, opened, alone = (took[what, size, CAPACITY] for what in ("seal", "open", "AEAD"))
        rows.append((size, *_ns(sealed, opened, alone), alone / sealed, *_rates(sealed, opened), size * 8e-6 / sealed))
    columns = (
        "bytes",
        "seal (ns)",
        "open (ns)",
        "AEAD alone (ns)",
        "AEAD's share",
        "sealed/s",
        "opened/s",
        "sealed Mbit/s",
    )
    plot = Plot("line", "bytes", columns[1:4])
    return Table(f"Against the size of a datagram, {CAPACITY} a batch", columns, tuple(rows), (), plot)


def _by_batch(plan: Plan, took: dict[Key, float]) -> Table:
    rows = []
    for count in plan.batches:
        figures = took["seal", VIDEO_SIZE, count], took["open", VIDEO_SIZE, count]
        rows.append((count, *_ns(*figures), *_rates(*figures)))
    columns = ("datagrams a batch", "seal (ns)", "open (ns)", "sealed/s", "opened/s")
    plot = Plot("line", columns[0], columns[1:3], log_x=True, log_y=True)
    return Table(f"Against the size of a batch, {VIDEO_SIZE:,} bytes a datagram", columns, tuple(rows), (), plot)


def _telemetry(plan: Plan, pair: Pair, progress: Progress) -> Table:
    frames = [frame for _, frame in recorded_flight()[: plan.run]]
    cases = [(rate, wait) for rate in plan.frame_rates for wait in plan.waits_s]
    rows: list[tuple[Cell, ...]] = []
    for number, (rate, wait) in enumerate(cases):
        progress(number, len(cases), "chunk: coalescing")
        log = [(place / rate, frame) for place, frame in enumerate(frames)]
        runs = [coalesce(pair, log, wait) for _ in range(plan.rounds)]
        each, share = statistics.median(run.cpu for run in runs) / len(frames), runs[0].datagrams / len(frames)
        rows.append((rate, wait * 1000, 1 / share, rate * share, 1e9 * each, 100 * rate * each))
    columns = ("frames/s", "wait (ms)", "frames a datagram", "datagrams/s", "CPU a frame (ns)", "CPU (%)")
    note = "frames of a recorded flight, evenly spaced; Bundler and Sealer for one lane, padded as the default order asks"
    return Table("Coalescing of telemetry", columns, tuple(rows), (note,))


class Coalesced(NamedTuple):
    """Sealed datagrams, their bytes, and the CPU seconds that bundling and sealing took."""

    datagrams: int
    size: int  # bytes
    cpu: float


def coalesce(pair: Pair, log: Log, wait_s: float) -> Coalesced:
    """Bundle and seal the frames of `log` for one lane; each waits at most this long. The log is the clock."""
    bundler = Bundler(LINK_MTU, pair.announcer.order.content.policy.pad, log[0][0], wait_s)
    batch, datagrams, size = Batch(), 0, 0
    ends = (*(at for at, _ in log[1:]), log[-1][0] + PADDING_ONLY_AFTER_S)
    began = time.process_time()
    for (at, frame), until in zip(log, ends, strict=True):
        bundler.add([frame], at)
        while (due := max(at, bundler.next_due())) < until:
            batch.clear()
            bundler.bundle_into(batch, due)
            pair.seal(Lane.TELEMETRY, batch)
            datagrams += batch.count
            size += int(batch.lengths[: batch.count].sum())
    return Coalesced(datagrams, size, time.process_time() - began)


def _video(plan: Plan, took: dict[Key, float]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for mbit in plan.mbits:
        for wait in VIDEO_WAITS_S:
            count, rate = filling(mbit, wait), mbit * 1e6 / 8 / VIDEO_SIZE
            cost = took["seal", VIDEO_SIZE, count]
            rows.append((mbit, wait * 1000, count, rate / count, 1e9 * cost, 100 * rate * cost))
    columns = ("Mbit/s", "wait (ms)", "datagrams a batch", "batches/s", "seal (ns)", "CPU (%)")
    note = "evenly spaced; a batch is the datagrams that came while its first one waited"
    return Table(f"Coalescing of video, {VIDEO_SIZE:,} bytes a datagram", columns, tuple(rows), (note,))


def filling(mbit: int, wait_s: float) -> int:
    """Datagrams of a batch at this rate, if its first one waits this long."""
    return min(CAPACITY, 1 + int(wait_s * mbit * 1e6 / 8 / VIDEO_SIZE))


def _ns(*seconds: float) -> tuple[float, ...]:
    return tuple(1e9 * figure for figure in seconds)


def _rates(*seconds: float) -> tuple[float, ...]:
    return tuple(1 / figure for figure in seconds)
