"""A radio as a process: UDP both ways with loss, reorder, duplicates, truncation, bit flips and delay, all from a seed.

    python -m tests.relay --listen 14600 --to 14601 --seed 7 --loss 0.3 --delay-ms 20

Ports are on loopback. What comes back from `--to` goes to whoever sent last. SIGTERM ends it with one JSON line of counts.
`Path` is one direction without sockets, for schedules in memory.
"""

from __future__ import annotations

import argparse
import dataclasses
import heapq
import json
import random
import select
import signal
import socket
import sys
import time
from collections import Counter

from gateway.demo.stage import DATAGRAM_MAX, HOST, udp_socket

HELD_BACK_S = 0.02  # a reordered datagram lets those of this time pass


@dataclasses.dataclass(frozen=True, slots=True)
class Weather:
    """How likely each misfortune is, how long all take, and how many kbit/s pass (0: any number)."""

    loss: float = 0.0
    reorder: float = 0.0
    duplicate: float = 0.0
    truncate: float = 0.0
    flip: float = 0.0
    delay_ms: float = 0.0
    kbit: float = 0.0


class Path:
    """One direction: `put` what enters, take what is `due`. The seed and the order of arrival decide everything."""

    def __init__(self, weather: Weather, seed: int) -> None:
        self.weather = weather
        self.counts: Counter[str] = Counter()
        self._rng = random.Random(seed)
        self._queue: list[tuple[float, int, bytes]] = []
        self._sent_at = float("-inf")  # when all that entered has left, at the rate that passes

    def put(self, datagram: bytes, now: float) -> None:
        self.counts["entered"] += 1
        if self._happens("loss"):
            return
        if self._happens("truncate"):
            datagram = datagram[: self._rng.randrange(len(datagram) or 1)]
        if self._happens("flip") and datagram:
            bit = self._rng.randrange(8 * len(datagram))
            datagram = bytes(byte ^ (1 << bit % 8 if at == bit // 8 else 0) for at, byte in enumerate(datagram))
        self._sent_at = max(self._sent_at, now) + (len(datagram) / self.weather.kbit / 125 if self.weather.kbit else 0.0)
        due = self._sent_at + self.weather.delay_ms / 1000 + (HELD_BACK_S if self._happens("reorder") else 0.0)
        for _ in range(1 + self._happens("duplicate")):
            self.counts["left"] += 1
            heapq.heappush(self._queue, (due, self.counts["left"], datagram))

    def _happens(self, what: str) -> bool:
        happens = self._rng.random() < getattr(self.weather, what)
        self.counts[what] += happens
        return happens

    def due(self, now: float) -> list[bytes]:
        out = []
        while self._queue and self._queue[0][0] <= now:
            out.append(heapq.heappop(self._queue)[2])
        return out

    def next_due(self) -> float:
        return self._queue[0][0] if self._queue else float("inf")


class Relay:
    """The process: one socket that is sent to, one that sends on."""

    def __init__(self, listen: int, to: int, weather: Weather, seed: int) -> None:
        self.near, self.far = udp_socket(listen), udp_socket()
        self.there, self.back = Path(weather, seed), Path(weather, seed + 1)
        self._to = (HOST, to)
        self._from: tuple[str, int] | None = None
        self.stopping = False
        signal.signal(signal.SIGTERM, self._stop)

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def run(self) -> None:
        while not self.stopping:
            wait = min(self.there.next_due(), self.back.next_due()) - time.monotonic()
            select.select((self.near, self.far), (), (), max(0.0, min(wait, 0.1)))
            self.turn(time.monotonic())
        print(json.dumps({"there": self.there.counts, "back": self.back.counts}))

    def turn(self, now: float) -> None:
        for datagram, source in _drain(self.near):
            self._from = source
            self.there.put(datagram, now)
        for datagram, _ in _drain(self.far):
            self.back.put(datagram, now)
        for datagram in self.there.due(now):
            _send(self.far, datagram, self._to)
        for datagram in self.back.due(now):
            _send(self.near, datagram, self._from)


def _drain(made: socket.socket) -> list[tuple[bytes, tuple[str, int]]]:
    out = []
    while True:
        try:
            out.append(made.recvfrom(DATAGRAM_MAX))
        except BlockingIOError:
            return out
        except ConnectionRefusedError:  # who we sent to is not there (any more)
            continue


def _send(made: socket.socket, datagram: bytes, to: tuple[str, int] | None) -> None:
    if to is not None:
        try:
            made.sendto(datagram, to)
        except (BlockingIOError, ConnectionRefusedError):
            return


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.relay")
    for name in ("--listen", "--to"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    for field in dataclasses.fields(Weather):
        parser.add_argument("--" + field.name.replace("_", "-"), type=float, default=0.0)
    args = vars(parser.parse_args(words))
    listen, to, seed = args.pop("listen"), args.pop("to"), args.pop("seed")
    Relay(listen, to, Weather(**args), seed).run()


if __name__ == "__main__":
    main(sys.argv[1:])
