"""Hours of flight at a drone's own rates, and what goes wrong in hours: what all of it leaves behind in the processes.

Two hosts and two cables of namespaces.py; the flight controller is a serial line at 57,600 baud, the camera sends whole
pictures of 2 to 8 Mbit/s. The radio goes and comes back all the time, now and then both links, the serial line is another
device, the pilot's station starts anew, and the order changes. One process drives it all, and wakes up for each picture.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import shlex
import statistics
import subprocess
import sys
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

from pymavlink.dialects.v20 import all as dialect

from gateway.demo.flight import recorded_flight
from gateway.demo.stage import HOST, Program, drain_from
from tests.system.house import House
from tests.system.namespaces import Cable, Host

FC_BAUD, BITS_A_BYTE = 57_600, 10
LINE_FULL = 0.9  # of the baud rate; a telemetry port that is well set leaves some room
PICTURES_PER_S, PACKET = 15, 1200  # half of what cameras send: hours of this leave the machine to others
MBIT_MIN, MBIT_MAX = 2, 8
CAMERA_PORT, LINK_PORT = 5602, 14600
AIR, GROUND = 0, 1  # ends of a cable
GCS = dialect.MAVLink(None, srcSystem=255, srcComponent=190)


@dataclasses.dataclass(frozen=True)
class Sample:
    """What a process holds at one moment, `at` seconds after the start."""

    at: float
    resident_mb: float
    descriptors: int
    threads: int

    @classmethod
    def of(cls, program: Program, at: float) -> Sample:
        proc = Path(f"/proc/{program.process.pid}")
        fields = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
        descriptors = sum(1 for _ in (proc / "fd").iterdir())
        return cls(at, int(fields["VmRSS"].split()[0]) / 1024, descriptors, int(fields["Threads"]))


def cpu_s(program: Program) -> float:
    """Processor seconds that a running process has used."""
    fields = Path(f"/proc/{program.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def medians(samples: list[Sample], begin: float, end: float) -> Sample:
    """Of the samples from `begin` to `end` seconds."""
    within = [sample for sample in samples if begin <= sample.at <= end]
    return Sample(
        end,
        statistics.median(sample.resident_mb for sample in within),
        statistics.median_low(sample.descriptors for sample in within),
        statistics.median_low(sample.threads for sample in within),
    )


class SerialFc:
    """A flight controller on a serial line that now and then is another device under the same name, as USB ones are."""

    def __init__(self, path: Path) -> None:
        self.path, self.sent, self.heard = path, 0, 0
        self._frames = [frame for _, frame in recorded_flight()]
        self._fds: tuple[int, int] | None = None
        self._next = time.monotonic()
        self.plug()

    def plug(self) -> None:
        self.unplug()
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        os.set_blocking(ours, False)
        self.path.symlink_to(os.ttyname(theirs))
        self._fds = ours, theirs

    def unplug(self) -> None:
        self.path.unlink(missing_ok=True)
        for fd in self._fds or ():
            os.close(fd)
        self._fds = None

    @property
    def unplugged(self) -> bool:
        return self._fds is None

    def step(self) -> None:
        while time.monotonic() >= self._next:
            frame = self._frames[self.sent % len(self._frames)]
            self._next += len(frame) * BITS_A_BYTE / (FC_BAUD * LINE_FULL)
            self.sent += 1
            with contextlib.suppress(OSError):  # nobody listens just now
                if self._fds:
                    os.write(self._fds[0], frame)
        with contextlib.suppress(OSError):
            self.heard += len(os.read(self._fds[0], 1 << 16)) if self._fds else 0


class Endurance:
    """`step` until the time is over; `samples` by process, `came` by feed since it was asked last."""

    def __init__(self, house: House, hosts: tuple[Host, Host], seed: int = 5) -> None:
        self.house, self.hosts, self.rng = house, hosts, random.Random(seed)
        self.radio, self.lte = (Cable(name, net, hosts) for net, name in enumerate(("radio", "lte"), 1))
        self.fc = SerialFc(house.folder / "ttyFc")
        self.camera = hosts[AIR].udp()
        self.ends = {name: (hosts[GROUND].udp(), hosts[GROUND].udp()) for name in ("pilot", "observer")}
        lte, radio = self.lte.addresses[GROUND], self.radio.addresses[GROUND]
        self.links = {"pilot": [f"{radio}:{LINK_PORT}", f"{lte}:{LINK_PORT}"], "observer": [f"{lte}:{LINK_PORT + 1}"]}
        self.came = {name: [0, 0] for name in self.ends}
        self.packets = 0
        self.orders, self._changes = 1, []
        self._ground: tuple[str, int] | None = None
        self._began = time.monotonic()
        self._picture = self.rng.randbytes(PACKET)
        self.programs = {name: self._start_ground(name) for name in self.ends}
        self.programs["air"] = self._start_air()
        self.samples: dict[str, list[Sample]] = {name: [] for name in self.programs}

    def _start_air(self) -> Program:
        words = ("air", "--device", str(self.house.folder / "drone-7"), "--fc", f"serial:{self.fc.path}:{FC_BAUD}")
        links = [word for links in self.links.values() for link in links for word in ("--link", f"udpout:{link}")]
        more = ("--video", f"udpin:{HOST}:{CAMERA_PORT}", *links)
        return Program((*words, *more), self.house.folder, "air", self.hosts[AIR].within)

    def _start_ground(self, name: str) -> Program:
        gcs, player = (made.getsockname()[1] for made in self.ends[name])
        links = [word for link in self.links[name] for word in ("--link", f"udpin:{link}")]
        words = ("ground", "--station", str(self.house.folder / name), "--order", str(self.house.order))
        more = (*links, "--gcs", f"udpout:{HOST}:{gcs}")
        return Program(
            (*words, *more, "--video", f"udpout:{HOST}:{player}"), self.house.folder, name, self.hosts[GROUND].within
        )

    # --- traffic ---

    def run(self, seconds: float) -> None:
        """At a picture's pace, until the flight is `seconds` older."""
        until = time.monotonic() + seconds
        while (now := time.monotonic()) < until:
            self.fc.step()
            self._send_picture(now)
            for name, ends in self.ends.items():
                for feed, end in enumerate(ends):
                    came = drain_from(end)
                    self.came[name][feed] += len(came)
                    if came and name == "pilot" and not feed:
                        self._ground = came[-1][1]
            time.sleep(max(0.0, 1 / PICTURES_PER_S - (time.monotonic() - now)))

    def _send_picture(self, now: float) -> None:
        swing = (now - self._began) % 60 / 60  # up within a minute, and down at once, as when a scene changes
        size = (MBIT_MIN + (MBIT_MAX - MBIT_MIN) * swing**3) * 1e6 / 8 / PICTURES_PER_S
        for _ in range(max(1, round(size / PACKET))):
            with contextlib.suppress(OSError):  # a full buffer, or nobody there
                self.camera.sendto(self._picture, (HOST, CAMERA_PORT))
                self.packets += 1

    def command(self) -> None:
        """A heartbeat and a command, as a ground control station sends them."""
        if self._ground:
            for message in (
                dialect.MAVLink_heartbeat_message(6, 8, 0, 0, 4, 3),
                dialect.MAVLink_command_long_message(1, 1, 512, 0, 148, 0, 0, 0, 0, 0, 0),
            ):
                with contextlib.suppress(OSError):
                    self.ends["pilot"][0].sendto(message.pack(GCS), self._ground)

    # --- what goes wrong ---

    @contextlib.contextmanager
    def broken(self, *cables: Cable) -> Iterator[None]:
        """The interface of each goes at a random end, and comes back."""
        ends = [(cable, self.rng.choice((AIR, GROUND))) for cable in cables]
        for cable, end in ends:
            cable.down(end)
        yield
        for cable, end in ends:
            cable.up(end)

    def change_order(self) -> None:
        """A third station joins, or leaves again; handed to the aircraft while it flies, in a process beside."""
        folder, old, new = self.house.folder, f"n{self.orders - 1}.order", f"n{self.orders}.order"
        if self.orders == 1:
            (folder / old).write_bytes(self.house.order.read_bytes())
        joins = f"add {old} --station visitor/station.pub:telemetry"
        zegel = f"{shlex.quote(sys.executable)} -m gateway.cli"
        line = (
            f"{zegel} order {joins if self.orders % 2 else f'revoke {old} --station visitor'} -o {new}"
            f" && {zegel} device load-order drone-7 {new}"
        )
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        made = subprocess.Popen(
            ["sh", "-c", line], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self._changes.append(made)
        self.orders += 1

    def failures(self) -> list[str]:
        """What the processes beside said that did not end well."""
        return [made.communicate()[1] for made in self._changes if made.wait()]

    def restart_pilot(self, *, kindly: bool) -> None:
        program = self.programs["pilot"]
        program.end() if kindly else program.kill()
        self.programs["pilot"] = self._start_ground("pilot")

    # --- what it leaves ---

    def sample(self) -> None:
        at = time.monotonic() - self._began
        for name, program in self.programs.items():
            self.samples[name].append(Sample.of(program, at))

    def take_came(self) -> dict[str, list[int]]:
        came, self.came = self.came, {name: [0, 0] for name in self.ends}
        return came

    def until(self, done: Callable[[], bool], limit_s: float = 20.0) -> bool:
        end = time.monotonic() + limit_s
        while not done() and time.monotonic() < end:
            self.run(0.1)
        return done()

    def logs(self) -> str:
        return "\n".join(program.output() for program in self.programs.values())

    def end(self) -> None:
        for made in self._changes:
            made.kill()
            made.wait()
        for program in self.programs.values():
            program.end()
        self.fc.unplug()
        for made in (self.camera, *(end for ends in self.ends.values() for end in ends)):
            made.close()
