"""Latency: from flight controller to ground control station and from camera to player, through air and ground.

The same generators and sinks are also measured without Zegel between them, to show their own share.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench import load
from bench.relay import free_ports
from bench.result import Cell, Options, Plot, Progress, Result, Table
from bench.workspace import Scene, scene
from bench.zegel_pair import ZegelPair

PERCENTILES = (50, 90, 99, 99.9, 100)
COLUMNS = ("load", "stream", "p50", "p90", "p99", "p99.9", "max", "direct p50", "direct p99", "lost")
SERIAL_FRAMES = 57_600 // 10 // load.FRAME_SIZE  # a second: a full line of 57,600 baud, ten bits to a byte
SAMPLES = 1001  # quantiles that represent a stream in a histogram


class Mix(NamedTuple):
    """The load: Mbit/s of video, and frames of telemetry a second."""

    mbit: float
    frames: int

    @property
    def name(self) -> str:
        return f"{f'{self.mbit:g} Mbit/s' if self.mbit else 'no video'}, {self.frames:,} frames/s"


ALONE = Mix(0, SERIAL_FRAMES)
MIXES = (ALONE, *(Mix(mbit, frames) for frames in (200, 1000) for mbit in (0, 2, 8, 20, 50)))
QUICK_MIXES = (ALONE, Mix(20, 200), Mix(0, 1000), Mix(50, 1000))
FULL_S, QUICK_S = 8.0, 2.0


class Heard(NamedTuple):
    """The result of one stream: milliseconds from sending to receiving, and how many never arrived."""

    ms: npt.NDArray[np.float64]
    lost: int


def measure(options: Options, progress: Progress) -> Result:
    mixes, seconds = (QUICK_MIXES, QUICK_S) if options.quick else (MIXES, FULL_S)
    rows: list[tuple[Cell, ...]] = []
    samples: dict[str, tuple[float, ...]] = {}
    with scene() as here:
        peer = ZegelPair()
        relay = peer.start(here)
        relay.wait_ready()
        telemetry, video = free_ports(2)
        direct = {"telemetry": load.Ways(telemetry, telemetry), "video": load.Ways(video, video)}
        through = {"telemetry": peer.telemetry, "video": relay.ways}
        for number, mix in enumerate(mixes):
            progress(number, len(mixes), mix.name)
            bare = send(here, mix, direct, seconds)
            for stream, heard in send(here, mix, through, seconds).items():
                straight = np.percentile(bare[stream].ms, (50, 99))
                rows.append(
                    (mix.name, stream, *np.percentile(heard.ms, PERCENTILES).tolist(), *straight.tolist(), heard.lost)
                )
                samples[f"{stream}, {mix.name}"] = tuple(np.quantile(heard.ms, np.linspace(0, 1, SAMPLES)).tolist())
    title = "Latency one way (ms), from the sender's clock to the receiver's, on one machine"
    notes = (
        "flight controller to ground control station, camera to player; direct: without air and ground between",
        f"{SERIAL_FRAMES} frames/s fill a line of 57,600 baud",
        f"evenly spaced: telemetry in frames of {load.FRAME_SIZE} bytes, video in datagrams of {load.VIDEO_SIZE}",
    )
    table = Table(title, COLUMNS, tuple(rows), notes, Plot("bar", "load", ("p50", "p99")))
    return Result("latency", (table,), (load.note(),), samples=samples)


def send(here: Scene, mix: Mix, ways: Mapping[str, load.Ways], seconds: float) -> dict[str, Heard]:
    """Send both streams at once; the result per stream."""
    rates = {"telemetry": float(mix.frames), "video": mix.mbit * 1e6 / 8 / load.VIDEO_SIZE}
    kinds = {"telemetry": "mavlink", "video": "rtp"}
    used = [stream for stream, rate in rates.items() if rate]
    with contextlib.ExitStack() as ends:
        sinks, generators = {}, {}
        for stream in used:
            sink = load.Sink(ways[stream], latencies=here.folder / stream)
            sinks[stream] = ends.enter_context(contextlib.closing(sink))
        time.sleep(load.SEEN_WITHIN_S)
        for stream in used:
            count = round(rates[stream] * seconds)
            generator = load.Generator(ways[stream], rates[stream], count, kind=kinds[stream])
            generators[stream] = ends.enter_context(contextlib.closing(generator))
        sent = {stream: generator.end().sent for stream, generator in generators.items()}
        got = {stream: sink.end().received for stream, sink in sinks.items()}
        return {stream: Heard(sinks[stream].latencies() / 1e6, sent[stream] - got[stream]) for stream in used}
