"""The stage of the demo: ports, processes, the radio in between, and the stations with their programs.

What lives here: real sockets and real `zegel` processes. run.py shows and checks the results.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from gateway.core.session_state import SessionState
from gateway.report import runtime_folder, wording
from gateway.report.role_status import Status
from gateway.report.status_socket import read_each, running

HOST = "127.0.0.1"
DATAGRAM_MAX = 65_536
SOCKET_BUFFER = 4 << 20
FIRST_SFRAME = 0x90
END_WITHIN_S = 5.0
SAYS_OPEN = f": {wording.SESSION[SessionState.OPEN]}"  # the status of a ground for a session whose keys it has
GCS_PORT, PLAYER_PORT = 14550, 5600  # QGroundControl's own system id
_FIRST_PORT, _PORTS_COUNT = 16_000, 16_000
_PORTS = itertools.cycle(_FIRST_PORT + (os.getpid() * 997 + n) % _PORTS_COUNT for n in range(_PORTS_COUNT))


def udp_socket(port: int = 0) -> socket.socket:
    """A loopback socket on this port, or on a port that the system chooses."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
    made.bind((HOST, port))
    made.setblocking(False)
    return made


def port_of(made: socket.socket) -> int:
    return int(made.getsockname()[1])


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    """A port that is free now, for a process that is started in the next moment.

    It is none of those that the system chooses for programs (Linux: 32768 and above), and no port is given
    twice; each process begins at a different one, so that two processes at the same time do not collide.
    """
    return next(port for port in _PORTS if is_free(port, kind))


def is_free(port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> bool:
    with socket.socket(socket.AF_INET, kind) as made:
        try:
            made.bind((HOST, port))
        except OSError:
            return False
    return True


def drain(made: socket.socket) -> list[bytes]:
    """Everything that waits in a socket."""
    return [datagram for datagram, _ in drain_from(made)]


class Program:
    """A `zegel` process whose output is kept in a file.

    `within` is the program that runs it, if one must; `computer` its runtime folder, as if on a computer of its own.
    """

    def __init__(
        self, words: Sequence[str], folder: Path, name: str, within: Sequence[str] = (), computer: Path | None = None
    ) -> None:
        self.log, self.computer = folder / f"{name}.log", computer
        self.started = time.monotonic()
        env = {**os.environ, "XDG_RUNTIME_DIR": str(computer)} if computer else None
        with self.log.open("ab") as out:
            command = [*within, sys.executable, "-m", "gateway.cli", *words]
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=env)  # noqa: S603 - our own program

    def output(self) -> str:
        return self.log.read_text()

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def resident_mb(self) -> float:
        """Resident memory in MB (Linux); 0 without /proc."""
        try:
            text = Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return 0.0
        return next((int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("VmRSS")), 0.0)

    def kill(self) -> None:
        """SIGKILL: nothing is flushed or sent."""
        self.process.kill()
        self.process.wait()

    def cut_power(self) -> None:
        """SIGKILL to it and to what it started (Linux)."""
        with contextlib.suppress(OSError):
            pid = self.process.pid
            for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
        self.kill()

    def end(self) -> int:
        """SIGTERM, and the exit status."""
        if self.running:
            self.process.terminate()
            try:
                self.process.wait(END_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.returncode


def statuses(programs: Iterable[Program]) -> dict[int, Status]:
    """What each of these processes said last, by its pid; also those that are as if on a computer of their own."""
    paths = running()
    for computer in {program.computer for program in programs if program.computer}:
        paths |= runtime_folder.status_sockets_in(computer / "zegel")
    return {status.pid: status for status in read_each(paths).values()}


def data_paths(programs: Iterable[Program]) -> str:
    """What does the plain turns of video in these, by their status; one of each kind."""
    said = statuses(programs)
    pids = {program.process.pid for program in programs} & {*said}
    return "; ".join(sorted({said[pid].data_path for pid in pids}))


def drain_from(made: socket.socket) -> list[tuple[bytes, tuple[str, int]]]:
    """Everything that waits in a socket, each with the address that sent it."""
    out = []
    while True:
        try:
            out.append(made.recvfrom(DATAGRAM_MAX))
        except BlockingIOError:
            return out
        except ConnectionRefusedError:  # a former receiver is gone
            continue


class Radio:
    """The radio: receives everything that the aircraft sends, records it, and forwards it to all listeners.

    The uplink of the listeners goes to the aircraft; while `jammed` it is only recorded, in `up`, with the listener's port.
    """

    def __init__(self) -> None:
        self.socket = udp_socket()
        self.port = port_of(self.socket)
        self.capture: list[bytes] = []
        self.sealed = 0  # datagrams of the capture that are not control datagrams
        self.listeners: list[int] = []
        self.up: list[tuple[int, bytes]] = []
        self.jammed = False
        self.deaf: set[int] = set()  # listeners that are out of reach at the moment
        self.unheard = 0
        self._aircraft: tuple[str, int] | None = None

    def relay(self) -> None:
        for datagram, sender in drain_from(self.socket):
            if sender[1] in self.listeners:
                self.up.append((sender[1], datagram))
                if not self.jammed:
                    self.send_up(datagram)
                continue
            self._aircraft = sender
            self.capture.append(datagram)
            self.sealed += datagram[0] >= FIRST_SFRAME
            self.send(datagram)

    def send_up(self, datagram: bytes) -> None:
        if self._aircraft:
            self.socket.sendto(datagram, self._aircraft)

    def send(self, datagram: bytes) -> None:
        for port in self.listeners:
            if port in self.deaf:
                self.unheard += 1
                continue
            try:
                self.socket.sendto(datagram, (HOST, port))
            except (BlockingIOError, ConnectionRefusedError):
                continue

    def close(self) -> None:
        self.socket.close()


class Listener:
    """One station: its `zegel ground`, and the two loopback sockets where a GCS and a player would be."""

    def __init__(
        self, name: str, folder: Path, order: Path, more: Sequence[str] = (), computer: Path | None = None
    ) -> None:
        self.name, self.computer = name, computer
        self.gcs, self.player = udp_socket(), udp_socket()
        self.frames: list[bytes] = []
        self.frame_times: list[float] = []
        self.packets: list[bytes] = []
        self._ground: tuple[str, int] | None = None  # for commands, once it has sent a frame
        self.port = free_port()
        self._words = (
            *("ground", "--station", str(folder / name), "--order", str(order)),
            *("--link", f"udpin:{HOST}:{self.port}", *more),
        )
        self._folder = folder
        self.start()

    def start(self) -> None:
        self._start(port_of(self.gcs), port_of(self.player))

    def add_link(self) -> int:
        """Restart with one more link to listen on; its port."""
        self.program.end()
        port = free_port()
        self._words = (*self._words, "--link", f"udpin:{HOST}:{port}")
        self.start()
        return port

    def hand_over(self) -> None:
        """From now on send to the programs of the person who watches, on their usual ports."""
        self.program.end()
        self._start(GCS_PORT, PLAYER_PORT)

    def _start(self, gcs: int, player: int) -> None:
        ends = ("--gcs", f"udpout:{HOST}:{gcs}", "--video", f"udpout:{HOST}:{player}")
        self.program = Program((*self._words, *ends), self._folder, f"ground-{self.name}", computer=self.computer)

    def take(self) -> None:
        came = drain_from(self.gcs)
        fresh = [frame for frame, _ in came]
        self._ground = came[-1][1] if came else self._ground
        self.frames += fresh
        self.frame_times += [time.monotonic()] * len(fresh)
        self.packets += drain(self.player)

    def close(self) -> None:
        self.program.end()
        self.gcs.close()
        self.player.close()

    def command(self, frame: bytes) -> None:
        """Send like a ground control station: to the sender of the telemetry."""
        if self._ground:
            self.gcs.sendto(frame, self._ground)

    def leave_out(self, frame: bytes | None) -> bool:
        """A frame that its own station has made, and not the aircraft. Whether it was there."""
        if frame not in self.frames:
            return False
        at = self.frames.index(frame)
        del self.frames[at], self.frame_times[at]
        return True

    def forget(self) -> None:
        for kept in (self.frames, self.frame_times, self.packets):
            kept.clear()

    def opened(self) -> int:
        """How many sessions it has reported as open; one that was silent for a while is not a second one."""
        return len(set(re.findall(rf"session (\w+){SAYS_OPEN}", self.program.output())))

    def says(self, text: str) -> int:
        return self.program.output().count(text)


def run_until(done: Callable[[], bool], step: Callable[[], None], sockets: Sequence[socket.socket], limit_s: float) -> bool:
    """Call `step` a thousand times a second, or when a socket has data, until `done`; False if this never happened."""
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        select.select(sockets, (), (), 0.001)
        step()
        if done():
            return True
    return False
