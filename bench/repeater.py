"""Repeater: a program that receives MAVLink frames at one UDP port and forwards them; Zegel's, and MAVProxy.

What lives here: the start of each, the frames that it forwarded, and its CPU time. What must not: rates and tables.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from bench.clock import cpu_of
from bench.fixture import House
from gateway.demo.stage import HOST, Program, drain, free_port, port_of, udp_socket
from gateway.errors import NotRunning
from gateway.report.status_socket import read_all

READY_WITHIN_S = 20.0
SETTLE_S = 0.8  # from the last frame sent until all on their way have passed; a status can be half a second old
TICK_S = 0.001


class Repeater(Protocol):
    """`port` takes frames."""

    name: str
    port: int

    def take(self) -> None:
        """Empty the socket that it sends to."""

    def passed(self) -> int:
        """How many frames it has passed on so far."""

    def cpu(self) -> float:
        """CPU seconds of the process so far, user and system."""

    def close(self) -> None: ...


class Fed(NamedTuple):
    """Frames that were sent to a repeater in so many seconds, those that it passed on, and its CPU seconds."""

    sent: int
    passed: int
    seconds: float
    cpu: float


def feed(repeater: Repeater, frames: Sequence[bytes], rate: float, seconds: float) -> Fed:
    """Send `frames`, over and over, at this rate a second, each in a datagram of its own."""
    passed = repeater.passed()
    cpu = repeater.cpu()
    with udp_socket() as out:
        sent, began = 0, time.monotonic()
        while (gone := time.monotonic() - began) < seconds:
            while sent < gone * rate:
                out.sendto(frames[sent % len(frames)], (HOST, repeater.port))
                sent += 1
            repeater.take()
            time.sleep(TICK_S)
    _settle(repeater)
    cpu = repeater.cpu() - cpu
    return Fed(sent, repeater.passed() - passed, gone, cpu)


def wait_ready(repeater: Repeater, frame: bytes) -> None:
    """Until a frame comes through; NotRunning if none ever does."""
    until = time.monotonic() + READY_WITHIN_S
    with udp_socket() as out:
        while not repeater.passed():
            if time.monotonic() > until:
                raise NotRunning(f"{repeater.name} passes nothing on", hint="start it by hand and read its messages")
            out.sendto(frame, (HOST, repeater.port))
            time.sleep(SETTLE_S)


def _settle(repeater: Repeater) -> None:
    until = time.monotonic() + SETTLE_S
    while time.monotonic() < until:
        repeater.take()
        time.sleep(TICK_S)


class Air:
    """The real `zegel air`: the frames that it forwarded are those that its status reports as sealed."""

    name = "zegel air"

    def __init__(self, folder: Path) -> None:
        house = House(folder)
        self.port, self._radio = free_port(), udp_socket()
        self._program = Program(house.air(self.port, free_port(), port_of(self._radio)), folder, "air")

    def take(self) -> None:
        drain(self._radio)

    def passed(self) -> int:
        for told in read_all():
            if told.pid == self._program.process.pid:
                return sum(row.frames for row in told.frames.values())
        return 0

    def cpu(self) -> float:
        return cpu_of(self._program.process.pid)

    def close(self) -> None:
        self._program.end()
        self._radio.close()


class MavProxy:
    """MAVProxy without modules: a master, an output, and nothing else to do."""

    name = "MAVProxy"

    def __init__(self, folder: Path) -> None:
        self.port, self._out = free_port(), udp_socket()
        self._passed = 0
        ends = (f"--master=udpin:{HOST}:{self.port}", f"--out=udpout:{HOST}:{port_of(self._out)}")
        more = ("--daemon", "--no-state", "--default-modules=", "--streamrate=-1")
        program = mavproxy()
        assert program is not None
        with (folder / "mavproxy.log").open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - as the caller found it
                [sys.executable, program, *ends, *more], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder
            )

    def take(self) -> None:
        self._passed += len(drain(self._out))

    def passed(self) -> int:
        self.take()
        return self._passed

    def cpu(self) -> float:
        return cpu_of(self._process.pid)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._out.close()


def mavproxy() -> str | None:
    """Where MAVProxy is installed, if it is."""
    return shutil.which("mavproxy.py", path=str(Path(sys.executable).parent)) or shutil.which("mavproxy.py")
