"""Drone: video at a drone's own rates, in the pictures of an encoder and evenly spaced, through several relays in turn.

What lives here: the loads, the rounds, and their tables. What must not: the highest rates (bench.measures.peers).
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from bench.load import Load
from bench.relay import Flown, Relay
from bench.result import Cell, Plot, Progress, Table
from bench.rivals import Srt
from bench.workspace import Scene

LOADS = (Load(2, pictures=True), Load(8, pictures=True), Load(20, pictures=True), Load(2), Load(20))
NOTES = (
    "sealing/opening process. Pictures: real sizes of an encoder (x264, 1080p30), each picture's datagrams at once",
    "even: the same rate, evenly spaced, which is the worst case: each datagram wakes both processes",
)


class Form(NamedTuple):
    """The extent: rounds, seconds of each load in a round, the loads."""

    rounds: int
    seconds: float
    loads: Sequence[Load] = LOADS


FULL, QUICK = Form(5, 2.5), Form(1, 0.7)
Of = Callable[[Flown], Sequence[float]]
Flights = Mapping[str, Sequence[Sequence[Flown]]]  # by the name of the load: of each relay, its rounds


def fly(here: Scene, relays: Sequence[Relay], form: Form, progress: Progress) -> Flights:
    """In each round each relay carries each load once, in turn, so that a bad moment of the machine hits all alike."""
    flown: dict[str, list[list[Flown]]] = {load.name: [[] for _ in relays] for load in form.loads}
    steps = [(load, number) for load in form.loads for number in range(len(relays))]
    for turn in range(form.rounds):
        for done, (load, number) in enumerate(steps):
            what = f"{load.name} Mbit/s, round {turn + 1}: {relays[number].name}"
            progress(turn * len(steps) + done, form.rounds * len(steps), what)
            flight = relays[number].fly(load, form.seconds, here.folder / "latencies")
            flown[load.name][number].append(flight)
    return flown


def tables(relays: Sequence[Relay], flights: Flights) -> list[Table]:
    """CPU time, the same compared with SRT, wake-ups, latency: medians of the rounds, two figures in a cell."""
    rounds = len(next(iter(flights.values()))[0])
    of = "one round" if rounds == 1 else f"medians of {rounds} rounds"
    made = [
        _table(f"CPU time (% of a core), by Mbit/s of video, {of}", relays, flights, _cpu, NOTES),
        _table("Wake-ups a second", relays, flights, lambda f: (f.sealing_wakes, f.opening_wakes)),
        _table("Latency p50/p99 (ms)", relays, flights, lambda f: (f.p50, f.p99)),
        _table("Lost (%)", relays, flights, lambda f: (f.lost,)),
    ]
    if (place := _srt(relays)) is not None:
        made.insert(1, _compared(relays, flights, place))
    return made


def one_relay(relay: Relay, flights: Flights) -> Table:
    """The same figures of a single relay, a row for each load."""
    cpu, rest = ("air (% CPU)", "ground (% CPU)"), ("p50 (ms)", "p99 (ms)", "lost (%)")
    columns = ("video (Mbit/s)", *cpu, "air wakes /s", "ground wakes /s", *rest)
    rows = tuple((name, *median(mine)) for name, (mine,) in flights.items())
    plot = Plot("bar", columns[0], cpu)
    return Table(f"What a drone sends, through {relay.name}", columns, rows, NOTES[1:], plot)


def median(mine: Sequence[Flown]) -> Flown:
    """Figure by figure."""
    return Flown(*(statistics.median(figures) for figures in zip(*mine, strict=True)))


def times_srt(relays: Sequence[Relay], flights: Flights, load: Load) -> tuple[float, float] | None:
    """The CPU time of sealing and opening of the first relay in that of SRT; None if that does not run here."""
    if (place := _srt(relays)) is None or load.name not in flights:
        return None
    return _ratio(flights[load.name][0], flights[load.name][place])


def _srt(relays: Sequence[Relay]) -> int | None:
    return next((place for place, relay in enumerate(relays) if relay.name == Srt.name), None)


def _ratio(mine: Sequence[Flown], other: Sequence[Flown]) -> tuple[float, float]:
    """Medians of the ratios of each round."""
    pairs = list(zip(mine, other, strict=True))
    return (
        statistics.median(one.sealing / two.sealing for one, two in pairs),
        statistics.median(one.opening / two.opening for one, two in pairs),
    )


def _cpu(flown: Flown) -> tuple[float, float]:
    return flown.sealing, flown.opening


def _table(title: str, relays: Sequence[Relay], flights: Flights, of: Of, notes: tuple[str, ...] = ()) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (relay.name, *(_cell(of(median(rounds[place]))) for rounds in flights.values()))
        for place, relay in enumerate(relays)
    ]
    return Table(title, ("relay", *flights), tuple(rows), notes)


def _compared(relays: Sequence[Relay], flights: Flights, srt: int) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (relay.name, *(pair(_ratio(rounds[place], rounds[srt])) for rounds in flights.values()))
        for place, relay in enumerate(relays)
    ]
    return Table("The same in times of srt-live-transmit, medians of the rounds", ("relay", *flights), tuple(rows))


def _cell(figures: Sequence[float]) -> Cell:
    return figures[0] if len(figures) == 1 else pair(figures)


def pair(figures: Sequence[float]) -> str:
    """The figures of a cell."""
    return "/".join(short(figure) for figure in figures)


def short(figure: float) -> str:
    """Two or three significant digits."""
    if figure != figure:  # noqa: PLR0124 - not a number: nothing came through
        return "-"
    return f"{figure:.0f}" if figure >= 100 else f"{figure:.1f}" if figure >= 10 else f"{figure:.2f}"  # noqa: PLR2004
