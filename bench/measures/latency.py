"""Latency: from flight controller to ground control station and from camera to player, through air and ground.

The same generators and sinks are also measured without Zegel between them, to show their own share.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench import load, verdict
from bench.clock import cpu_of
from bench.relay import free_ports
from bench.result import Cell, Options, Plot, Progress, Result, Table
from bench.workspace import Scene, scene
from bench.zegel_pair import ZegelPair

PERCENTILES = (50, 90, 99, 99.9, 100)
COLUMNS = ("load", *(f"{name} (ms)" for name in ("p50", "p90", "p99", "p99.9", "max", "direct p50", "direct p99")), "lost")
SERIAL_FRAMES = 57_600 // 10 // load.FRAME_SIZE  # a second: a full line of 57,600 baud, ten bits to a byte
SAMPLES = 1001  # quantiles that represent a stream in a histogram
STREAMS = ("telemetry", "video")


class Mix(NamedTuple):
    """The load: video, if any, and frames of telemetry a second."""

    video: load.Load | None
    frames: int

    @property
    def name(self) -> str:
        return f"{self.video.name if self.video else 'no video'}, {self.frames:,}/s"


def _even(mbit: float, frames: int = 200) -> Mix:
    return Mix(load.Load(mbit), frames)


def _pictures(mbit: float, frames: int = 200) -> Mix:
    return Mix(load.Load(mbit, pictures=True), frames)


ALONE, TOLD = Mix(None, SERIAL_FRAMES), _pictures(20)  # the verdict tells of the second
MIXES = (
    *(ALONE, Mix(None, 200), _pictures(2), _pictures(8), TOLD, _even(2), _even(20), _even(50)),
    *(Mix(None, 1000), _pictures(20, 1000), _even(20, 1000), _even(50, 1000)),
)
QUICK_MIXES = (ALONE, TOLD, _even(20), _even(50, 1000))
DRAWN = (ALONE, TOLD, _even(20))  # as a histogram: more lines could not be told apart
FULL_S, QUICK_S = 5.0, 2.0


class Heard(NamedTuple):
    """The result of one stream: milliseconds from sending to receiving, and how many were sent and never arrived."""

    ms: npt.NDArray[np.float64]
    sent: int
    lost: int


class Mixed(NamedTuple):
    """The result of one load: both streams, the same without air and ground, and percent of a core of the two."""

    heard: Mapping[str, Heard]
    bare: Mapping[str, Heard]
    air: float
    ground: float


def measure(options: Options, progress: Progress) -> Result:
    mixes, seconds = (QUICK_MIXES, QUICK_S) if options.quick else (MIXES, FULL_S)
    with scene() as here:
        peer = ZegelPair()
        relay = peer.start(here)
        relay.wait_ready()
        telemetry, video = free_ports(2)
        direct = {"telemetry": load.Ways(telemetry, telemetry), "video": load.Ways(video, video)}
        through = {"telemetry": peer.telemetry, "video": relay.ways}
        both, mixed = (relay.sealing, relay.opening), {}
        for number, mix in enumerate(mixes):
            progress(number, len(mixes), mix.name)
            bare, before = send(here, mix, direct, seconds), [cpu_of(pid) for pid in both]
            heard = send(here, mix, through, seconds)
            air, ground = (100 * (cpu_of(pid) - early) / seconds for pid, early in zip(both, before, strict=True))
            mixed[mix] = Mixed(heard, bare, air, ground)
    tables = (*(_by_stream(stream, mixed) for stream in STREAMS), _cpu_table(mixed))
    samples = {
        f"{stream}, {mix.name}": tuple(np.quantile(told.ms, np.linspace(0, 1, SAMPLES)).tolist())
        for mix in DRAWN
        for stream, told in mixed[mix].heard.items()
    }
    facts = _facts(mixed[TOLD])
    said = f"{verdict.carried(facts)} from camera to player"
    return Result("latency", tables, (load.note(),), samples=samples, verdict=said, facts=facts)


def _by_stream(stream: str, mixed: Mapping[Mix, Mixed]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for mix, told in mixed.items():
        if stream in told.heard:
            heard, straight = told.heard[stream], np.percentile(told.bare[stream].ms, (50, 99))
            rows.append((mix.name, *np.percentile(heard.ms, PERCENTILES).tolist(), *straight.tolist(), heard.lost))
    way = "camera to player" if stream == "video" else "flight controller to ground control station"
    notes = (
        "load: Mbit/s of video, and frames of telemetry a second",
        "from the sender's clock to the receiver's, on one machine; direct: without air and ground between",
        f"{SERIAL_FRAMES} frames/s fill a line of 57,600 baud",
        f"evenly spaced: telemetry in frames of {load.FRAME_SIZE} bytes, even video in datagrams of {load.VIDEO_SIZE}",
    )
    plot = Plot("bar", "load", ("p50 (ms)", "p99 (ms)"))
    return Table(f"Latency of {stream}, {way}", COLUMNS, tuple(rows), notes if stream == STREAMS[0] else (), plot)


def _cpu_table(mixed: Mapping[Mix, Mixed]) -> Table:
    rows = tuple((mix.name, told.air, told.ground) for mix, told in mixed.items())
    return Table("CPU time meanwhile", ("load", "air (% of a core)", "ground (% of a core)"), rows)


def _facts(told: Mixed) -> dict[str, float]:
    """What the verdict says, of the load `TOLD`."""
    video = told.heard["video"]
    assert TOLD.video is not None
    return {
        verdict.MBIT: TOLD.video.mbit,
        verdict.FRAMES: TOLD.frames,
        verdict.AIR: told.air,
        verdict.GROUND: told.ground,
        verdict.P50: float(np.percentile(video.ms, 50)),
        verdict.LOST: 100 * video.lost / video.sent,
    }


def send(here: Scene, mix: Mix, ways: Mapping[str, load.Ways], seconds: float, first: int = 0) -> dict[str, Heard]:
    """Send both streams at once, their datagrams numbered from `first` on; the result per stream."""
    starts: dict[str, Callable[[load.Ways], load.Generator]] = {}
    if mix.frames:
        rate = float(mix.frames)
        starts["telemetry"] = lambda way: load.Generator(way, rate, round(rate * seconds), first, "mavlink")
    if (video := mix.video) is not None:
        starts["video"] = lambda way: video.sent_to(way, seconds, first)
    with contextlib.ExitStack() as ends:
        sinks, generators = {}, {}
        for stream in starts:
            sink = load.Sink(ways[stream], first, here.folder / stream)
            sinks[stream] = ends.enter_context(contextlib.closing(sink))
        time.sleep(load.SEEN_WITHIN_S)
        for stream, start in starts.items():
            generators[stream] = ends.enter_context(contextlib.closing(start(ways[stream])))
        sent = {stream: generator.end().sent for stream, generator in generators.items()}
        got = {stream: sink.end().received for stream, sink in sinks.items()}
        return {
            stream: Heard(sinks[stream].latencies() / 1e6, sent[stream], sent[stream] - got[stream]) for stream in starts
        }
