"""Slow load: bench/c/load.c in Python, for machines without a C compiler. Same arguments, same answers.

    python -m bench.slow_load send HOST PORT KIND RATE COUNT FIRST [gso]
    python -m bench.slow_load sink HOST PORT FIRST [FILE]

What lives here: generator and sink on the gateway's own batches. What must not: their use (bench.load).
"""

from __future__ import annotations

import json
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import numpy as np
from fastcrc.crc16 import mcrf4xx

from bench.load import VIDEO_SIZE
from gateway.batch import Batch
from gateway.endpoints.endpoint import BUFFER
from gateway.endpoints.mmsg import OneByOne, new_mover

RTP_HEADER = bytes.fromhex("8060 0000 00000000 5a45474c")
MAVLINK_HEADER, MAVLINK_MAGIC = 10, 0xFD
ATTITUDE, ATTITUDE_CRC_EXTRA, ATTITUDE_SIZE = 30, 39, 28
STAMP = struct.Struct(">QQ")  # number, monotonic nanoseconds
TICK_S = 0.0002
QUIET_S = 0.2


def rtp(number: int, stamp: int) -> bytes:
    head = RTP_HEADER[:2] + struct.pack(">H", number & 0xFFFF) + RTP_HEADER[4:]
    return (head + STAMP.pack(number, stamp)).ljust(VIDEO_SIZE, b"\0")


def mavlink(number: int, stamp: int) -> bytes:
    head = bytes([ATTITUDE_SIZE, 0, 0, number & 0xFF, 1, 1, ATTITUDE, 0, 0])
    body = head + STAMP.pack(number, stamp).ljust(ATTITUDE_SIZE, b"\x5a")
    return bytes([MAVLINK_MAGIC]) + body + struct.pack("<H", mcrf4xx(body + bytes([ATTITUDE_CRC_EXTRA])))


MAKERS: dict[str, Callable[[int, int], bytes]] = {"rtp": rtp, "mavlink": mavlink}
RTP_MIN = len(RTP_HEADER) + STAMP.size
PICTURES = "pictures:"


def send(host: str, port: int, kind: str, rate: float, count: int, first: int, gso: bool = False) -> dict[str, float]:
    """Send `count` datagrams at `rate` a second; the number sent, the duration, and the CPU seconds."""
    out, make, batch = _socket(), MAKERS[kind], Batch()
    mover, sent, began = new_mover(out) if gso else OneByOne(out), 0, time.monotonic()
    peer = mover.peer((host, port))
    while sent < count:
        due = min(count, 1 + int((time.monotonic() - began) * rate))
        while sent < due:
            batch.clear()
            stamp = time.monotonic_ns()
            for number in range(sent, min(due, sent + batch.capacity)):
                batch.append(make(first + number, stamp))
            mover.send(batch, peer)
            sent += batch.count
        time.sleep(max(TICK_S, began + sent / rate - time.monotonic()))
    return {"sent": sent, "seconds": time.monotonic() - began, "cpu_s": time.process_time()}


def send_pictures(host: str, port: int, trace: Path, rate: float, count: int, first: int) -> dict[str, float]:
    """Send `count` pictures at `rate` a second, each at once, of the sizes in `trace`; what `send` tells."""
    sizes, out, batch, sent, began = [*map(int, trace.read_text().split())], _socket(), Batch(), 0, time.monotonic()
    mover = OneByOne(out)
    for picture in range(count):
        time.sleep(max(0.0, began + picture / rate - time.monotonic()))
        size, stamp = sizes[picture % len(sizes)], time.monotonic_ns()
        numbers = range(first + sent, first + sent - (-size // VIDEO_SIZE))
        datagrams = [rtp(number, stamp) for number in numbers]
        datagrams[-1] = datagrams[-1][: max(RTP_MIN, size % VIDEO_SIZE)]
        for part in batch.refill(datagrams):
            mover.send(part, mover.peer((host, port)))
        sent += len(datagrams)
    return {"sent": sent, "seconds": time.monotonic() - began, "cpu_s": time.process_time()}


class Tally:
    """The received datagrams: numbers from `first` on. `latencies`: nanoseconds, in the order of arrival."""

    def __init__(self, first: int) -> None:
        self.first, self.next = first, 0
        self.seen: set[int] = set()
        self.latencies: list[int] = []
        self.duplicates = self.out_of_order = self.foreign = 0
        self.begin = self.end = 0

    def take(self, data: bytes, stamp: int) -> None:
        at = MAVLINK_HEADER if data[:1] == bytes([MAVLINK_MAGIC]) else len(RTP_HEADER)
        number, sent = STAMP.unpack_from(data, at) if len(data) >= at + STAMP.size else (-1, 0)
        if number < self.first:
            self.foreign += 1
            return
        if number in self.seen:
            self.duplicates += 1
            return
        self.seen.add(number)
        self.out_of_order += number < self.next
        self.next = number + 1
        self.latencies.append(stamp - sent)
        self.begin, self.end = self.begin or stamp, stamp

    def told(self) -> dict[str, float]:
        counts = {name: getattr(self, name) for name in ("duplicates", "out_of_order", "foreign")}
        seconds = (self.end - self.begin) / 1e9
        return {"received": len(self.seen), **counts, "seconds": seconds, "cpu_s": time.process_time()}


def sink(host: str, port: int, first: int, file: str = "") -> dict[str, float]:
    """Count datagrams until SIGTERM and silence; with `file`, write the latencies there."""
    stopping = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    here, batch, tally = _socket(), Batch(), Tally(first)
    here.bind((host, port))
    mover = new_mover(here)
    print("ready", flush=True)
    while True:
        batch.clear()
        if mover.receive(batch):
            stamp = time.monotonic_ns()
            for datagram in batch.datagrams():
                tally.take(datagram, stamp)
        elif not select.select([here], [], [], QUIET_S)[0] and stopping:
            break
    if file:
        Path(file).write_bytes(np.array(tally.latencies, np.int64).tobytes())
    return tally.told()


def _socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        made.setsockopt(socket.SOL_SOCKET, option, BUFFER)
    return made


def main(role: str, host: str, port: str, *more: str) -> None:
    if role == "send":
        kind, rate, count, first = more[0], float(more[1]), int(more[2]), int(more[3])
        if kind.startswith(PICTURES):
            told = send_pictures(host, int(port), Path(kind.removeprefix(PICTURES)), rate, count, first)
        else:
            told = send(host, int(port), kind, rate, count, first, more[4:] == ("gso",))
    else:
        told = sink(host, int(port), int(more[0]), *more[1:])
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
