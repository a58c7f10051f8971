"""Recorded flight: the real air and ground, with a recorder and without: latency, CPU time, and a card that stands still.

What lives here: flights and their figures. What must not: what a recorder does alone (bench/recorder_rates.py).
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench import idle, workspace
from bench.clock import cpu_of, memory_of, sleeps_of
from bench.compiler import Absent
from bench.ext4_card import Ext4Card
from bench.load import Load
from bench.measures import latency
from bench.measures.latency import Heard, Mix
from bench.recorder_rates import folder
from bench.relay import Relay
from bench.result import Cell, Progress, Table
from bench.workspace import Scene
from bench.zegel_pair import C, ZegelPair, both
from gateway.air.recorder_link import SERVICE
from gateway.demo.flight import FlightController, recorded_flight
from gateway.errors import CardError
from gateway.native.library import OFF
from gateway.recording import opened
from gateway.recording.group import Group, Port
from gateway.recording.leaf import Close
from gateway.recording.opened import Session
from gateway.recording.pcap import Record
from gateway.recording.segment_keys import OfKey
from keys.folders.recording import RecordingFolder

FRAMES = 500  # a second
MIXES = (Mix(Load(20), FRAMES), Mix(Load(50), FRAMES))
ALONE = (Mix(Load(20), 0), Mix(Load(50), 0))  # Python takes each frame, C only video: its wake-ups are measured without
QUEUE_MB = (32 << 20) / 1e6
FIRST = 1 << 20  # the number of a datagram of the load: those of wait_ready have smaller ones
NUMBER_AT: dict[int, int] = {Port.TELEMETRY: 10, Port.VIDEO_A: 12}  # behind the headers of MAVLink and RTP
STANDS_STILL_S = 7.0
ROOM = 4 << 30  # bytes of memory for cards
WITHIN_S = 20.0
LINK_COLUMNS = (
    *("data path", "load", "video p99 (ms)", "recorded", "telemetry p99 (ms)", "recorded"),
    *("CPU a datagram (us)", "recorded", "more (%)", "more a wake-up (us)", "lost"),
)


class Form(NamedTuple):
    """The extent: rounds and seconds of each load; seconds of telemetry alone, and around a card that stands still."""

    rounds: int
    seconds: float
    quiet_s: float
    around_s: float


FULL, QUICK = Form(3, 4.0, 20.0, 4.0), Form(1, 1.5, 4.0, 1.5)


class Flown(NamedTuple):
    """One load: 99th percentiles in milliseconds; CPU microseconds and wake-ups of air a datagram; how many datagrams
    were lost."""

    video: float
    telemetry: float
    cpu: float
    wakes: float
    lost: int


class Compared(NamedTuple):
    """The same without and with a recorder, in each round one after the other. What differs is the median of the rounds."""

    plain: Sequence[Flown]
    recorded: Sequence[Flown]

    def _differs(self, by: Callable[[Flown, Flown], float]) -> float:
        return statistics.median(by(early, late) for early, late in zip(self.plain, self.recorded, strict=True))

    @property
    def later_ms(self) -> float:
        """How much later the 99th percentile of either stream is; the worse of the two."""
        video = self._differs(lambda plain, recorded: recorded.video - plain.video)
        telemetry = self._differs(lambda plain, recorded: recorded.telemetry - plain.telemetry)
        return video if math.isnan(telemetry) else max(video, telemetry)

    @property
    def more_a_datagram(self) -> float:
        """Percent."""
        return self._differs(lambda plain, recorded: 100 * (recorded.cpu / plain.cpu - 1))

    @property
    def more_a_wake_up(self) -> float:
        """Microseconds."""
        return self._differs(lambda plain, recorded: (recorded.cpu - plain.cpu) / plain.wakes)

    @property
    def lost(self) -> int:
        """While recorded."""
        return sum(each.lost for each in self.recorded)


class Recorder(NamedTuple):
    """A recorder under one load: wake-ups a second, percent of a core, resident memory in MB."""

    wakes: float
    cpu: float
    memory: float


class Flight:
    """A pair whose aircraft records on `card`, if that is given."""

    def __init__(self, scene: Scene, card: Path | None, environment: Mapping[str, str] = workspace.NO_VARIABLES) -> None:
        if card and SERVICE.exists():
            raise Absent(f"{SERVICE} is that of a service", hint="stop it: systemctl stop zegel-recorder.socket")
        self._scene, self._card = scene, card
        self._pair = ZegelPair(environment=environment, card=card)
        self.relay: Relay = self._pair.start(scene)
        self.relay.wait_ready()
        self.recorder = _recorder(self.relay.sealing) if card else 0
        self.sent, self._next = 0, FIRST

    def fly(self, mix: Mix, seconds: float) -> dict[str, Heard]:
        ways = {"telemetry": self._pair.telemetry, "video": self.relay.ways}
        heard = latency.send(self._scene, mix, ways, seconds, self._next)
        self.sent += sum(each.sent for each in heard.values())
        self._next += max(each.sent for each in heard.values())
        return heard

    def measure(self, mix: Mix, seconds: float) -> tuple[Flown, Recorder | None]:
        air, recorder = self.relay.sealing, self.recorder
        pids = [air, recorder] if recorder else [air]
        before = [(cpu_of(pid), sleeps_of(pid)) for pid in pids]
        began = time.monotonic()
        heard = self.fly(mix, seconds)
        took = time.monotonic() - began
        (cpu, sleeps), *rest = [
            (cpu_of(pid) - spent, sleeps_of(pid) - slept) for pid, (spent, slept) in zip(pids, before, strict=True)
        ]
        video, telemetry = (_p99(heard, stream) for stream in ("video", "telemetry"))
        came, lost = (sum(getattr(each, name) for each in heard.values()) for name in ("sent", "lost"))
        flown = Flown(video, telemetry, 1e6 * cpu / came, max(1, sleeps) / came, lost)
        if not rest:
            return flown, None
        ((cpu, sleeps),) = rest
        return flown, Recorder(sleeps / took, 100 * cpu / took, memory_of(recorder)[0])

    def land(self) -> Session:
        """Air ends; what its recorder has written."""
        assert self._card is not None
        os.kill(self.relay.sealing, signal.SIGINT)
        until = time.monotonic() + WITHIN_S
        while time.monotonic() < until:
            with contextlib.suppress(CardError):  # nothing of it is there yet
                (session,) = opened.sessions(self._card)
                if any(isinstance(each, Close) for each in session.leaves):
                    return session
            time.sleep(0.1)
        raise Absent(f"the recorder did not end its session within {WITHIN_S:g} s", hint="read what it says")

    def lost(self) -> tuple[int, int]:
        """After landing: datagrams of both streams that are not on the card, and those that its gaps count."""
        session, key = self.land(), OfKey(RecordingFolder.open(self._pair.house.archive))
        found = {_number(record) for record in session.records(key, [Group.FLIGHT, Group.VIDEO_A])}
        return self.sent - sum(number >= FIRST for _, number in found), sum(gap.lost for gap in session.gaps)


def _number(record: Record) -> tuple[int, int]:
    """The port of a datagram of the load, and its number (bench/c/load.c); 0 for anything else."""
    at = NUMBER_AT.get(record.port)
    return record.port, 0 if at is None else int.from_bytes(record.content[at : at + 8], "big")


def _recorder(air: int) -> int:
    """The recorder that this air has started. Absent if there is none."""
    until = time.monotonic() + WITHIN_S
    while time.monotonic() < until:
        for task in Path(f"/proc/{air}/task").iterdir():
            for child in (task / "children").read_text().split():
                if b"recorder" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                    return int(child)
        time.sleep(0.05)
    raise Absent("air started no recorder", hint="start it by hand and read its messages: zegel recorder")


# --- the link meanwhile ---


def compared(
    scene: Scene, form: Form, progress: Progress
) -> tuple[dict[tuple[str, Mix], Compared], dict[Mix, Recorder], int]:
    """Both data paths, without and with a recorder, round after round; by data path and load. What the recorders of the
    usual path cost, and how many datagrams are not on the cards."""
    pairs, _ = both()
    flights = {}
    for pair in pairs:
        environment = {} if pair.name == C else {OFF: "0"}
        for recorded in (False, True):
            card = folder(scene, ROOM) / "card" if recorded else None
            flights[pair.name, recorded] = Flight(scene, card, environment)
    flown: dict[tuple[str, bool, Mix], list[Flown]] = {}
    recorders: dict[Mix, list[Recorder]] = {}
    steps = [(mix, key) for mix in (*MIXES, *ALONE) for key in flights if mix in MIXES or key[0] == C]
    for turn in range(form.rounds):
        for number, (mix, (name, recorded)) in enumerate(steps):
            what = f"{mix.name}, {name}{', recorded' * recorded}, round {turn + 1}"
            progress(turn * len(steps) + number, form.rounds * len(steps), what)
            one, recorder = flights[name, recorded].measure(mix, form.seconds)
            flown.setdefault((name, recorded, mix), []).append(one)
            if recorder and name == pairs[0].name:
                recorders.setdefault(mix, []).append(recorder)
    lost = sum(flight.lost()[0] for (_, recorded), flight in flights.items() if recorded)
    found = {
        (name, mix): Compared(rounds, flown[name, True, mix])
        for (name, recorded, mix), rounds in sorted(flown.items(), key=lambda item: item[0][0])
        if not recorded
    }
    return found, {mix: Recorder(*_medians(each)) for mix, each in recorders.items()}, lost


def _medians(figures: Sequence[Iterable[Any]]) -> list[Any]:
    return [statistics.median(column) for column in zip(*figures, strict=True)]


def _p99(heard: Mapping[str, Heard], stream: str) -> float:
    """In milliseconds."""
    return float(np.percentile(heard[stream].ms, 99)) if stream in heard else math.nan


def link_table(found: Mapping[tuple[str, Mix], Compared]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for (name, mix), each in found.items():
        plain, recorded = (Flown(*_medians(rounds)) for rounds in each)
        telemetry = (None, None) if math.isnan(plain.telemetry) else (plain.telemetry, recorded.telemetry)
        more = (each.more_a_datagram, each.more_a_wake_up, each.lost)
        rows.append((name, mix.name, plain.video, recorded.video, *telemetry, plain.cpu, recorded.cpu, *more))
    notes = (
        "CPU: of air alone, over all datagrams that it got, video and telemetry; wake-up: each time that it went to sleep",
        "what is more is the median of the rounds' differences, and may differ from that of the medians",
        "the recorder writes to a tmpfs, so that no disk of this computer is measured",
    )
    return Table("The link without and with a recording", LINK_COLUMNS, tuple(rows), notes, keys=2)


# --- telemetry alone ---


def quiet(scene: Scene, seconds: float) -> Recorder:
    """A recorder under a flight's telemetry of 57,600 baud."""
    controller = FlightController(idle.thin(recorded_flight()))
    scene.undo.callback(controller.close)
    pair = ZegelPair(air=("--fc", f"serial:{controller.path}:57600"), card=folder(scene, ROOM) / "card")
    relay = pair.start(scene)
    relay.wait_ready()
    recorder = _recorder(relay.sealing)
    idle.play(controller, idle.JOIN_S)
    before = cpu_of(recorder), sleeps_of(recorder)
    began = time.monotonic()
    idle.play(controller, seconds)
    took = time.monotonic() - began
    cpu, sleeps = cpu_of(recorder) - before[0], sleeps_of(recorder) - before[1]
    return Recorder(sleeps / took, 100 * cpu / took, memory_of(recorder)[0])


def recorder_table(alone: Recorder, recorders: Mapping[Mix, Recorder]) -> Table:
    rows = (("57,600 baud, no video", *alone), *((f"{mix.name}", *each) for mix, each in recorders.items()))
    columns = ("load", "wake-ups /s", "CPU (% of a core)", "resident (MB)")
    notes = ("resident: with what waits for a cut, two seconds of the load; up to 34 MB more while a card stands still",)
    return Table("The recorder", columns, rows, notes)


# --- a card that stands still ---


class StoodStill(NamedTuple):
    """99th percentiles of video in milliseconds, before and meanwhile; datagrams that are not on the card, those in gaps,
    those lost on the link; the most memory of the recorder in MB."""

    before: float
    meanwhile: float
    missing: int
    in_gaps: int
    lost: int
    memory: float


def standstill(scene: Scene, around_s: float) -> StoodStill:
    """A card that takes nothing for seven seconds at 20 Mbit/s. Absent without root and loop devices."""
    card = Ext4Card(scene)
    flight = Flight(scene, card.folder / "recordings")
    mix = MIXES[0]
    before = flight.fly(mix, around_s)

    def stand_still() -> None:
        time.sleep(around_s)
        with card.frozen():
            time.sleep(STANDS_STILL_S)

    stands = threading.Thread(target=stand_still)
    stands.start()
    meanwhile = flight.fly(mix, STANDS_STILL_S + 2 * around_s)
    stands.join()
    memory = memory_of(flight.recorder)[1]
    missing, in_gaps = flight.lost()
    lost = sum(each.lost for flown in (before, meanwhile) for each in flown.values())
    early, late = (_p99(flown, "video") for flown in (before, meanwhile))
    return StoodStill(early, late, missing, in_gaps, lost, memory)


def standstill_table(found: StoodStill) -> Table:
    columns = ("video p99 before (ms)", "p99 meanwhile (ms)", "not on the card", "in gaps", "lost on the link", "peak (MB)")
    title = f"A card that stands still for {STANDS_STILL_S:g} s at {MIXES[0].name}"
    notes = ("datagrams of video and frames; fsfreeze of ext4 on a loop device; peak: the recorder's resident memory",)
    return Table(title, columns, (tuple(found),), notes)
