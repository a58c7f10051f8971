"""Link: the real air and ground under video of 1 to 200 Mbit/s, with one station and with fifteen, and nearly idle."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from bench import idle, load
from bench.load import Load
from bench.measures.peers import FULL, QUICK, in_turn, start
from bench.relay import Flown, Relay, Spent
from bench.result import Cell, Options, Plot, Progress, Result, Table
from bench.rivals import RIVALS
from bench.workspace import Scene, scene
from bench.zegel_pair import ZegelPair

LOADS, QUICK_LOADS = (1, 2, 5, 10, 20, 50, 100, 200), (2, 20, 200)  # Mbit/s
BESIDE = (2, 20, 100, 200)  # Mbit/s at which the peers are compared
LOAD_S, QUICK_LOAD_S = 2.0, 0.5
QUIET_S, QUICK_QUIET_S = 20.0, 4.0
CONTROL_S, QUICK_CONTROL_S = 20.0, 2.0
FLIGHTS = (*(Load(mbit, pictures=True) for mbit in (2, 8, 20)), *(Load(mbit) for mbit in (2, 8, 20)))
QUICK_FLIGHTS = (Load(8, pictures=True), Load(8))
FLIGHT_S, QUICK_FLIGHT_S = 4.0, 1.0
FLIGHT_ROUNDS, QUICK_FLIGHT_ROUNDS = 5, 1
MANY = 15  # stations in the order
MANY_AT = 50_000  # datagrams a second
FLIGHT_COLUMNS = (
    *("relay", "seals (% CPU)", "opens (% CPU)", "seals wakes /s", "opens wakes /s", "p50 (ms)", "p99 (ms)", "lost"),
)


def measure(options: Options, progress: Progress) -> Result:
    quick = options.quick
    with scene() as here:
        relay = ZegelPair().start(here)
        relay.wait_ready()
        tables = [_loads(relay, progress, quick)]
        if quick:
            tables += _flights(here, [relay], progress, quick)
        progress(1, 4, "one station and fifteen")
        tables.append(_stations(here, progress, quick))
    with scene() as here:
        progress(2, 4, "telemetry alone")
        tables.append(idle.telemetry(here, QUICK_QUIET_S if quick else QUIET_S))
        progress(3, 4, "control alone")
        links = idle.LINKS[:2] if quick else idle.LINKS
        tables.append(idle.announcements(here, links, QUICK_CONTROL_S if quick else CONTROL_S))
    notes: Sequence[str] = (load.note(),)
    if not quick:
        with scene() as here:
            more, skipped = _beside(here, progress)
        tables += more
        notes = (*notes, *skipped)
    return Result("link", tuple(tables), tuple(notes))


def _rate(mbit: float) -> float:
    """Datagrams a second."""
    return mbit * 1e6 / 8 / load.VIDEO_SIZE


def _cpu(spent: Spent) -> tuple[float, float]:
    """The CPU time of both processes, in percent of a core."""
    return 100 * spent.sealing_s / spent.run.offered.seconds, 100 * spent.opening_s / spent.run.offered.seconds


def _loads(relay: Relay, progress: Progress, quick: bool) -> Table:
    rows, loads = [], QUICK_LOADS if quick else LOADS
    for number, mbit in enumerate(loads):
        progress(number, len(loads), f"{mbit} Mbit/s")
        spent = relay.carry(_rate(mbit), QUICK_LOAD_S if quick else LOAD_S)
        share = 1 - spent.run.lost
        rows.append((mbit, 100 * share, mbit * share, spent.sealed_per_cpu_s, spent.opened_per_cpu_s, *_cpu(spent)))
    columns = (
        "offered (Mbit/s)",
        "out (%)",
        "out (Mbit/s)",
        "seals /CPU-s",
        "opens /CPU-s",
        "air (% CPU)",
        "ground (% CPU)",
    )
    plot = Plot("line", columns[0], columns[5:], log_x=True)
    return Table(f"Video in {load.VIDEO_SIZE}-byte datagrams through air and ground", columns, tuple(rows), plot=plot)


def _stations(here: Scene, progress: Progress, quick: bool) -> Table:
    form = (QUICK if quick else FULL)._replace(rounds=3 if quick else 2 * FULL.rounds - 1)
    relays: list[Relay] = [ZegelPair(listed).start(here) for listed in (1, MANY)]
    for relay in relays:
        relay.wait_ready()
    few, many = in_turn(relays, [MANY_AT, MANY_AT], form, progress)
    sides = {
        "air": ([s.sealed_per_cpu_s for s in few], [s.sealed_per_cpu_s for s in many]),
        "ground": ([s.opened_per_cpu_s for s in few], [s.opened_per_cpu_s for s in many]),
    }
    rows: list[tuple[Cell, ...]] = []
    for name, figures in sides.items():
        ratio = statistics.median(one / other for one, other in zip(*figures, strict=True))
        rows.append((name, *(1e6 / statistics.median(side) for side in figures), ratio))
    columns = ("process", "1 station (us)", f"{MANY} stations (us)", "ratio")
    note = f"at {MANY_AT:,} datagrams a second, in turn; the ratio is the median of {form.rounds} rounds"
    return Table("CPU time of a video datagram", columns, tuple(rows), (note,))


def _flights(here: Scene, relays: Sequence[Relay], progress: Progress, quick: bool) -> list[Table]:
    """What a drone sends: medians of rounds in which each relay carries each load once, in turn."""
    rounds, seconds = (QUICK_FLIGHT_ROUNDS, QUICK_FLIGHT_S) if quick else (FLIGHT_ROUNDS, FLIGHT_S)
    tables, flights = [], QUICK_FLIGHTS if quick else FLIGHTS
    for number, flight in enumerate(flights):
        progress(number, len(flights), flight.name)
        flown: list[list[Flown]] = [[] for _ in relays]
        for _ in range(rounds):
            for relay, mine in zip(relays, flown, strict=True):
                mine.append(relay.fly(flight, seconds, here.folder / "latencies"))
        rows = tuple(
            (relay.name, *(statistics.median(figures) for figures in zip(*mine, strict=True)))
            for relay, mine in zip(relays, flown, strict=True)
        )
        form = "pictures of an encoder, each at once" if flight.pictures else "evenly spaced, the worst case"
        tables.append(Table(f"Video of {flight.mbit:g} Mbit/s, {form}", FLIGHT_COLUMNS, rows))
    return tables


def _beside(here: Scene, progress: Progress) -> tuple[list[Table], list[str]]:
    relays, skipped = start(here, RIVALS, progress)
    form = FULL._replace(rounds=1)
    rows: list[list[Cell]] = [[relay.name] for relay in relays]
    for mbit in BESIDE:
        for row, (spent,) in zip(rows, in_turn(relays, [_rate(mbit)] * len(relays), form, progress), strict=True):
            row.extend(_cpu(spent))
    columns = ("relay", *(f"{side} at {mbit} (% CPU)" for mbit in BESIDE for side in ("seals", "opens")))
    even = Table("CPU share compared with the peers, by Mbit/s", columns, tuple(map(tuple, rows)))
    return [even, *_flights(here, relays, progress, quick=False)], skipped
