"""A flight in which a process stands still while everybody else goes on, and how old what comes out then is."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator

from pymavlink.dialects.v20 import all as dialect

from gateway.demo.stage import Program, drain
from gateway.report.wording import READY
from tests.system.house import Flight
from tests.system.test_links import Traffic

FRESH_S = 3.0  # fresh_ms of the order
LATE_S = 1.0  # telemetry
MEASURED_BY_S = 0.5  # what a loaded machine needs to let a ground and this process take notice of what came
COMMAND_EVERY_S = 0.04  # a joystick
GCS = dialect.MAVLink(None, srcSystem=255, srcComponent=190)


class Standstill:
    """Numbered frames down, two hundred a second, and a joystick up. `down` and `up` hold the age of each that arrived."""

    def __init__(self, flight: Flight) -> None:
        self.flight, self.pilot = flight, flight.stations["pilot"]
        flight.wait_open()
        assert flight.until(lambda: self.pilot.says(READY) > 0), flight.logs()
        self._traffic = Traffic(flight.fc_port)
        self._traffic.socket.setblocking(False)
        self._born: dict[bytes, float] = {}
        self._commands, self._next = 0, 0.0
        self.down: list[float] = []
        self.up: list[float] = []
        flight.step_more = self._step
        assert flight.until(lambda: bool(self.pilot.frames and self.up)), flight.logs()

    def _step(self) -> None:
        now = time.monotonic()
        sent = len(self._traffic.sent)
        self._traffic.step()
        self._born |= dict.fromkeys(self._traffic.sent[sent:], now)
        if now >= self._next:
            self._next, self._commands = now + COMMAND_EVERY_S, self._commands + 1
            stick = dialect.MAVLink_manual_control_message(1, 0, 0, 500, 0, self._commands % 65536)
            frame = bytes(stick.pack(GCS))
            self._born[frame] = now
            self.pilot.command(frame)
        self.up += [now - self._born[frame] for frame in drain(self._traffic.socket)]
        self.down += [now - self._born[frame] for frame in self.pilot.frames]
        self.pilot.frames.clear()

    @contextlib.contextmanager
    def still(self, program: Program) -> Iterator[None]:
        """`program` is stopped, and goes on afterwards; what arrived before does not count."""
        os.kill(program.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            self.flight.step()
            self.down.clear()
            self.up.clear()
            os.kill(program.process.pid, signal.SIGCONT)

    def stands(self, program: Program, seconds: float, then_s: float = 2.5) -> None:
        """For so long; then some time passes in which what waited can arrive."""
        with self.still(program):
            self.flight.run(seconds)
        self.flight.run(then_s)

    def old(self) -> tuple[int, int]:
        """How many commands and how many frames of telemetry arrived that were too old by the protocol."""
        return (
            sum(age > FRESH_S + MEASURED_BY_S for age in self.up),
            sum(age > LATE_S + MEASURED_BY_S for age in self.down),
        )

    def said(self) -> str:
        commands, frames = self.old()
        return (
            f"{len(self.up)} commands, {commands} of them too old, the oldest {max(self.up, default=0):.2f} s; "
            f"{len(self.down)} frames, {frames} of them too old, the oldest {max(self.down, default=0):.2f} s"
        )

    def close(self) -> None:
        self._traffic.socket.close()
