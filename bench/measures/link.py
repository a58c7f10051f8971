"""Link: the real air and ground under video of 1 to 200 Mbit/s, at their limit, with fifteen stations, and nearly idle.

What lives here: Zegel alone, by the data path that it uses here. What must not: comparing it (bench.measures.peers).
"""

from __future__ import annotations

import statistics

from bench import drone, idle, load, openssl, verdict
from bench.measures.peers import FULL, QUICK, in_turn, loss_free
from bench.relay import Relay, Spent
from bench.result import Cell, Options, Plot, Progress, Result, Table
from bench.workspace import Scene, scene
from bench.zegel_pair import ZegelPair
from gateway.board import computer

LOADS, QUICK_LOADS = (1, 2, 5, 10, 20, 50, 100, 200), (2, 20, 200)  # Mbit/s
LOAD_S, QUICK_LOAD_S = 2.0, 0.5
QUIET_S, QUICK_QUIET_S = 20.0, 4.0
CONTROL_S, QUICK_CONTROL_S = 10.0, 2.0
FLIGHTS, QUICK_FLIGHTS = drone.FULL._replace(rounds=3), drone.QUICK
TOLD = load.Load(20, pictures=True)  # of which the verdict tells
MANY = 15  # stations in the order
MANY_AT = 50_000  # datagrams a second
USUAL, WITHOUT_AES = "this processor", "without its AES instructions"


def measure(options: Options, progress: Progress) -> Result:
    quick = options.quick
    with scene() as here:
        relay = ZegelPair().start(here)
        relay.wait_ready()
        flights = drone.fly(here, [relay], QUICK_FLIGHTS if quick else FLIGHTS, progress)
        tables = [drone.one_relay(relay, flights), _loads(relay, progress, quick)]
        highest, facts = _limit(here, relay, progress, quick)
        progress(1, 4, "one station and fifteen")
        tables += [highest, _stations(here, progress, quick)]
    with scene() as here:
        progress(2, 4, "telemetry alone")
        tables.append(idle.telemetry(here, QUICK_QUIET_S if quick else QUIET_S))
        progress(3, 4, "control alone")
        links = idle.LINKS[:2] if quick else idle.LINKS
        tables.append(idle.announcements(here, links, QUICK_CONTROL_S if quick else CONTROL_S))
    told = drone.median(flights[TOLD.name][0])
    said = (
        f"{relay.name} carries {TOLD.mbit:g} Mbit/s in pictures at {drone.pair((told.sealing, told.opening))} % of a core"
        f" aboard / at a station, and {drone.short(told.p50)} ms; {verdict.limit(facts)}"
    )
    return Result("link", tuple(tables), (load.note(),), verdict=said, facts=facts)


def _rate(mbit: float) -> float:
    """Datagrams a second."""
    return mbit * 1e6 / 8 / load.VIDEO_SIZE


def _mbit(rate: float) -> float:
    return rate * 8 * load.VIDEO_SIZE / 1e6


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


def _limit(here: Scene, relay: Relay, progress: Progress, quick: bool) -> tuple[Table, dict[str, float]]:
    """The highest rate without loss, and the same where OpenSSL may use no AES instructions."""
    relays = {USUAL: relay}
    if computer.has_aes() and (mask := openssl.mask()):
        relays[WITHOUT_AES] = ZegelPair(environment=mask).start(here)
        relays[WITHOUT_AES].wait_ready()
    rows: list[tuple[Cell, ...]] = []
    for number, (what, tried) in enumerate(relays.items()):
        progress(number, len(relays), f"the limit: {what}")
        rate = loss_free(tried, QUICK if quick else FULL)
        rows.append((what, rate, _mbit(rate)))
    facts = dict(zip((verdict.LIMIT, verdict.LIMIT_WITHOUT_AES), (_mbit(int(row[1] or 0)) for row in rows), strict=False))
    note = "the highest rate at which not one datagram in a thousand was lost; generator and sink work on the same cores"
    columns = ("OpenSSL on", "datagrams /s", "video (Mbit/s)")
    return Table("The limit", columns, tuple(rows), (note,)), {**facts, verdict.HAS_AES: float(computer.has_aes())}


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
