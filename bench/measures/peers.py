"""Peers: Zegel's air and ground compared with alternative programs, in one run: at a drone's rates, and at the highest.

Every relay carries the same load in turn, round after round, so that a bad moment of the machine hits all alike.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bench import drone, load, verdict
from bench.compiler import Absent
from bench.cost_breakdown import made_of
from bench.relay import Peer, Relay, Spent
from bench.result import Cell, Options, Progress, Result, Table
from bench.rivals import RIVALS, OneByOne, Srt, Srtp
from bench.wireguard import WireGuard
from bench.workspace import Scene, scene
from bench.zegel_pair import both
from gateway.demo.stage import free_port

PATTERNS = ("drone", "flood")
AT_A_DRONES_RATES = [peer.key for peer in (Srt, Srtp, WireGuard, OneByOne)]
TOLD = load.Load(8, pictures=True)  # of which the verdict tells
OFFERED = 150_000  # datagrams a second
LOST_MAX = 0.001  # the limit for loss-free
TRIES = 2  # at each step of the ladder: one loss may have another cause
COLUMNS = ("relay", "seals /CPU-s", "opens /CPU-s", "Zegel seals", "Zegel opens", "loss-free /s", "out (%)")
NOTES = (
    "seals, opens: datagrams that came out at the far end, for each CPU second of the process that seals or opens",
    "Zegel seals, opens: how many times as many of them the first row does for the same CPU time; median of the rounds",
    "loss-free: the highest offered rate of the ladder at which not one datagram in a thousand was lost",
    "AES-256-GCM: Zegel, C, SRTP, DTLS; AES-256-CTR without authentication: SRT; ChaCha20-Poly1305: WireGuard",
    "wireguard-go: the CPU time of the TUN devices counts for generator and sink, not for wireguard-go",
)


class Form(NamedTuple):
    """The extent of the measurement. `ladder`: rates, in thousands of datagrams a second."""

    rounds: int
    seconds: float
    ladder: Sequence[int]


FULL = Form(5, 1.0, (5, 10, 15, 20, 30, 40, 50, 60, 75, 90, 105, 120, 135, 150, 175, 200, 225, 250, 300, 350, 400))
QUICK = Form(2, 0.4, (10, 20, 40, 60, 90, 120, 150, 200, 300))


def arguments(parser: argparse.ArgumentParser) -> None:
    keys = [peer.key for peer in RIVALS]
    parser.add_argument(
        "--pattern",
        choices=PATTERNS,
        help="drone: 2 to 20 Mbit/s, in pictures and evenly spaced; flood: as much as each carries; default both",
    )
    parser.add_argument("--only", nargs="+", metavar="PEER", choices=keys, help=f"some of: {', '.join(keys)}")
    parser.add_argument(
        "--gso", action="store_true", help="flood: let the generator send many datagrams as one, as few cameras do"
    )
    parser.add_argument("--rounds", type=int, metavar="N", help=f"how often each is measured; default {FULL.rounds}")


def measure(options: Options, progress: Progress) -> Result:
    args = options.args
    only, pattern = getattr(args, "only", None), getattr(args, "pattern", None)
    rounds = getattr(args, "rounds", None)
    wanted = only or (AT_A_DRONES_RATES if pattern == "drone" else [peer.key for peer in RIVALS])
    found = Findings()
    with scene() as here:
        relays, skipped = start(here, [peer for peer in RIVALS if peer.key in wanted], progress)
        if pattern != "flood":
            form = drone.QUICK if options.quick else drone.FULL
            left_out = () if only else {peer.name for peer in RIVALS if peer.key not in AT_A_DRONES_RATES}
            chosen = [relay for relay in relays if relay.name not in left_out]
            found.add(_drone(here, chosen, form._replace(rounds=rounds or form.rounds), progress))
        if pattern != "drone":
            most = QUICK if options.quick else FULL
            found.add(
                _flood(relays, most._replace(rounds=rounds or most.rounds), progress, bool(getattr(args, "gso", False)))
            )
    return Result("peers", tuple(found.tables), tuple(skipped), verdict="; ".join(found.said), facts=found.facts)


@dataclass
class Findings:
    """Of one pattern, or of both."""

    tables: list[Table] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    facts: dict[str, float] = field(default_factory=dict)

    def add(self, other: Findings) -> None:
        self.tables += other.tables
        self.said += other.said
        self.facts |= other.facts


def _drone(here: Scene, relays: Sequence[Relay], form: drone.Form, progress: Progress) -> Findings:
    flights = drone.fly(here, relays, form, progress)
    cost = drone.median(flights[TOLD.name][0])
    said, facts = f"{relays[0].name} takes {drone.pair((cost.sealing, cost.opening))} % of a core", {}
    if ratio := drone.times_srt(relays, flights, TOLD):
        said += f", {drone.pair(ratio)} times what srt-live-transmit takes,"
        facts = {verdict.SRT_MBIT: TOLD.mbit, verdict.SRT_AIR: ratio[0], verdict.SRT_GROUND: ratio[1]}
    return Findings(drone.tables(relays, flights), [f"{said} to seal / open {TOLD.mbit:g} Mbit/s in pictures"], facts)


def _flood(relays: Sequence[Relay], form: Form, progress: Progress, gso: bool) -> Findings:
    free = []
    for number, relay in enumerate(relays):
        progress(number, len(relays), f"loss-free rate: {relay.name}")
        free.append(loss_free(relay, form, gso))
    rates = [min(OFFERED, rate or form.ladder[0] * 1000) for rate in free]
    spent = in_turn(relays, rates, form, progress, gso)
    title = f"{load.VIDEO_SIZE}-byte datagrams, {OFFERED:,} a second or what a relay carries without loss"
    table = Table(title, COLUMNS, _rows(relays, free, spent), NOTES)
    said = [f"{relays[0].name} carries {free[0]:,} datagrams a second without loss"]
    for name, _, _, seals, opens, *_ in table.rows:
        if name == Srt.name and isinstance(seals, float) and isinstance(opens, float):
            ratios = f"seals {verdict.figure(seals)} and opens {verdict.figure(opens)} times as many as {name}"
            said[0] += f", and for the same CPU time {ratios}"
    return Findings([table, made_of(relays, spent), _alone()], said)


def start(here: Scene, peers: Sequence[Peer], progress: Progress) -> tuple[list[Relay], list[str]]:
    """Start Zegel, each of its data paths, and those of `peers` that are installed; and a note for each that is not."""
    pairs, skipped = both()
    relays = [pair.start(here) for pair in pairs]
    for relay in relays:
        relay.wait_ready()
    for number, peer in enumerate(peers):
        progress(number, len(peers), f"starting {peer.name}")
        try:
            relay = peer.start(here)
            relay.wait_ready()
        except FileNotFoundError as error:
            skipped.append(f"{peer.name} is left out: no {error.filename or error}; {peer.install}")
        except Absent as error:
            skipped.append(f"{peer.name} is left out: {error}; {error.hint}")
        else:
            relays.append(relay)
    return relays, skipped


def loss_free(relay: Relay, form: Form, gso: bool = False) -> int:
    """The highest rate of the ladder, in datagrams a second, at which not one in a thousand is lost; 0 if there is none."""
    low, high = -1, len(form.ladder)
    while high - low > 1:
        middle = (low + high) // 2
        rate = form.ladder[middle] * 1000
        if any(relay.carry(rate, form.seconds, gso).run.lost < LOST_MAX for _ in range(TRIES)):
            low = middle
        else:
            high = middle
    return form.ladder[low] * 1000 if low >= 0 else 0


def in_turn(
    relays: Sequence[Relay], rates: Sequence[float], form: Form, progress: Progress, gso: bool = False
) -> list[list[Spent]]:
    """The CPU time of each relay in each round; in a round each carries its rate once."""
    spent: list[list[Spent]] = [[] for _ in relays]
    for turn in range(form.rounds):
        for number, (relay, rate) in enumerate(zip(relays, rates, strict=True)):
            progress(turn * len(relays) + number, form.rounds * len(relays), f"round {turn + 1}: {relay.name}")
            spent[number].append(relay.carry(rate, form.seconds, gso))
    return spent


def _rows(relays: Sequence[Relay], free: Sequence[int], spent: Sequence[Sequence[Spent]]) -> tuple[tuple[Cell, ...], ...]:
    return tuple(
        (
            relay.name,
            statistics.median(s.sealed_per_cpu_s for s in mine),
            statistics.median(s.opened_per_cpu_s for s in mine),
            statistics.median(z.sealed_per_cpu_s / s.sealed_per_cpu_s for z, s in zip(spent[0], mine, strict=True)),
            statistics.median(z.opened_per_cpu_s / s.opened_per_cpu_s for z, s in zip(spent[0], mine, strict=True)),
            rate,
            100 * (1 - statistics.median(s.run.lost for s in mine)),
        )
        for relay, rate, mine in zip(relays, free, spent, strict=True)
    )


def _alone() -> Table:
    """The generator straight into the sink."""
    rows: list[tuple[Cell, ...]] = []
    for label, gso in (("one by one: sendmmsg", False), ("many as one: GSO", True)):
        port = free_port()
        run = load.run(load.Ways(port, port), OFFERED, 0.5, gso=gso)
        busy = (100 * told.cpu_s / told.seconds for told in run)
        rows.append((label, round(run.offered.sent / run.offered.seconds), 100 * (1 - run.lost), *busy))
    columns = ("the generator sends", "offered /s", "delivered (%)", "generator CPU (%)", "sink CPU (%)")
    return Table("Generator straight into the sink", columns, tuple(rows), (load.note(),))
