"""Relay: a sealing process and an opening one, between the load's two ends, and their CPU time.

What lives here: a running relay, and the interface of every peer's class (bench.rivals, bench.zegel_pair).
What must not: rates, rounds, tables.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from bench import load
from bench.clock import cpu_of, sleeps_of, system_share, ticks_of
from bench.compiler import Absent
from bench.workspace import Scene
from gateway.demo.stage import free_port

READY_WITHIN_S = 20.0
PROBES, PROBE_RATE = 10, 100  # datagrams, and how many of them a second


class Spent(NamedTuple):
    """One load through a relay, and the CPU time of both of its processes.

    `sealing_s`, `opening_s`: CPU seconds. `sealing_system`, `opening_system`: the system's share of them, 0 to 1.
    """

    run: load.Run
    sealing_s: float
    opening_s: float
    sealing_system: float
    opening_system: float

    @property
    def sealed_per_cpu_s(self) -> float:
        return self.run.counted.received / self.sealing_s

    @property
    def opened_per_cpu_s(self) -> float:
        return self.run.counted.received / self.opening_s


class Flown(NamedTuple):
    """One load at a drone's own rate: of both processes the CPU time in percent of a core, and how often they are woken.

    `sealing`, `opening`, `lost`: percent. `sealing_wakes`, `opening_wakes`: times a second. `p50`, `p99`: milliseconds.
    """

    sealing: float
    opening: float
    sealing_wakes: float
    opening_wakes: float
    p50: float
    p99: float
    lost: float


@dataclass
class Relay:
    """A pair of processes that runs. `sealing`, `opening`: their process ids."""

    name: str
    ways: load.Ways
    sealing: int
    opening: int
    sent: int = field(default=0)  # datagrams of all loads so far, which have these numbers

    def carry(self, rate: float, seconds: float, gso: bool = False) -> Spent:
        """Offer video at `rate` datagrams a second for this time."""
        both = self.sealing, self.opening
        before, ticks = [cpu_of(pid) for pid in both], [ticks_of(pid) for pid in both]
        run = load.run(self.ways, rate, seconds, self.sent, gso)
        self.sent += run.offered.sent
        spent = (cpu_of(pid) - early for pid, early in zip(both, before, strict=True))
        shares = (system_share(early, ticks_of(pid)) for pid, early in zip(both, ticks, strict=True))
        return Spent(run, *spent, *shares)

    def fly(self, flight: load.Load, seconds: float, latencies: Path) -> Flown:
        """Offer `flight` for this time; `latencies` is a file to use."""
        both = self.sealing, self.opening
        before = [(cpu_of(pid), sleeps_of(pid)) for pid in both]
        run, took = load.carry(flight, self.ways, seconds, self.sent, latencies)
        self.sent += run.offered.sent
        after = [(cpu_of(pid), sleeps_of(pid)) for pid in both]
        (seals, seal_sleeps), (opens, open_sleeps) = (
            ((now[0] - then[0]) / run.offered.seconds, (now[1] - then[1]) / run.offered.seconds)
            for now, then in zip(after, before, strict=True)
        )
        p50, p99 = np.percentile(took, (50, 99)) / 1e6 if len(took) else (math.nan, math.nan)
        return Flown(100 * seals, 100 * opens, seal_sleeps, open_sleeps, float(p50), float(p99), 100 * run.lost)

    def wait_ready(self) -> None:
        """Wait until a datagram comes through. Absent if none ever does."""
        until = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < until:
            if self.carry(PROBE_RATE, PROBES / PROBE_RATE).run.counted.received:
                return
        raise Absent(
            f"{self.name} passes nothing on within {READY_WITHIN_S:g} s", hint="start it by hand and read its messages"
        )


class Peer(Protocol):
    """A way to seal datagrams. `key` names it on the command line; `install` is the command that installs it."""

    key: str
    name: str
    install: str

    def start(self, scene: Scene) -> Relay:
        """Start both processes. Absent, or FileNotFoundError, if it is not installed."""


class Ports(NamedTuple):
    """The ports at which a relay receives, its link, and the ports to which it delivers."""

    enter: int
    link: int
    leave: int


def free_ports(count: int) -> list[int]:
    """This many different ports that are free now, for processes that are started immediately."""
    return [free_port() for _ in range(count)]


def pair(scene: Scene, peer: Peer, ports: Ports, opens: Sequence[object], seals: Sequence[object]) -> Relay:
    """Start the opening program of `peer`, then the sealing one; each is a command line."""
    opening = scene.start([str(word) for word in opens], f"{peer.key}-opens")
    sealing = scene.start([str(word) for word in seals], f"{peer.key}-seals")
    return Relay(peer.name, load.Ways(ports.enter, ports.leave), sealing.pid, opening.pid)
