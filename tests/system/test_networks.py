"""The lines of docs/radios.md and docs/stations.md, taken from there: air and grounds as they stand, over such a network.

Hosts of their own, so that ports and addresses are those of the pages. A socket stands in for the flight controller. What a
computer for tests does not have is replaced by what does the same to datagrams: a NAT with a rate for the mobile network, a
line with a pace for the serial radio, a forwarder for wfb-ng.
"""

from __future__ import annotations

import contextlib
import random
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pymavlink.dialects.v20 import all as dialect

from gateway.demo.stage import HOST, SAYS_OPEN, Program, drain, drain_from
from gateway.report.wording import READY
from tests.memory_link import mavlink_frame
from tests.system.house import JOIN_WITHIN_S, House
from tests.system.namespaces import Host
from tests.system.serial_radio import SerialRadio

DOCS = Path(__file__).parents[2] / "docs"
TEXT = "".join((DOCS / name).read_text() for name in ("radios.md", "stations.md"))
BLOCKS = {name: (said, line) for name, said, line in re.findall(r"```\n# ([a-z-]+): (.*)\n((?:.|\n)*?)```", TEXT)}
FC, CAMERA_PORT, GCS_PORT, PLAYER_PORT, LINK_PORT = f"udpin:{HOST}:14560", 5602, 14550, 5600, 14600
GCS = dialect.MAVLink(None, srcSystem=255, srcComponent=190)
COMMAND = bytes(dialect.MAVLink_command_long_message(1, 1, 400, 0, 1, 0, 0, 0, 0, 0, 0).pack(GCS))
EVERY_S = 0.1
NAT = 'table ip nat { chain out { type nat hook postrouting priority 100; oifname "far" masquerade; }; }'
FLIGHTS = {  # the aircraft's line, and those of its stations
    "wlan": ("wlan-air", "wlan-ground"),
    "lte": ("lte-air", "lte-ground"),
    "sik": ("sik-air", "sik-ground"),
    "wfb-pipe": ("wfb-pipe-air", "wfb-pipe-ground"),
    "broadcast": ("broadcast-air", "wlan-ground", "several-ground"),
    "several": ("several-air", "wlan-ground", "several-ground"),
    "both": ("both-air", "wlan-ground"),
}


def test_every_line_is_run_or_says_that_it_is_not():
    run = {name for names in FLIGHTS.values() for name in names}
    assert run == {name for name, (said, _) in BLOCKS.items() if re.search(r"\bRun\b", said)}
    assert all(re.search(r"\b[Nn]ot run\b", said) for name, (said, _) in BLOCKS.items() if name not in run)
    assert "```\nzegel air " not in TEXT, "a line of an aircraft that does not say it"


class Station:
    """A host of its own with a ground, a ground control station and a player."""

    def __init__(self, host: Host, name: str) -> None:
        self.name, self.gcs, self.player = name, host.udp(GCS_PORT), host.udp(PLAYER_PORT)
        self.program: Program | None = None
        self.frames: set[bytes] = set()
        self.packets: set[bytes] = set()

    def take(self, command: bool) -> None:
        came = drain_from(self.gcs)
        self.frames |= {frame for frame, _ in came}
        self.packets |= set(drain(self.player))
        if came and command:
            self.gcs.sendto(COMMAND, came[-1][1])


class Scene:
    """`zegel air` and its stations, as the pages have them; `forward` moves what a network of the kernel does not."""

    def __init__(self, house: House, flight: str, hosts: list[Host]) -> None:
        self._hosts, self._rng, self._next = hosts, random.Random(14), 0.0
        self._words = {name: str(house.folder / name) for name in ("drone-7", "pilot", "observer")}
        self._words |= {"op.order": str(house.order), "serial:/dev/ttyAMA0:921600": FC}
        self.fc, self.camera = hosts[0].udp(), hosts[0].udp()
        self.frames: set[bytes] = set()
        self.packets: set[bytes] = set()
        self.commanded = False
        self.forward: Callable[[], None] = lambda: None
        self._folder = house.folder
        self.lines = [shlex.split(BLOCKS[name][1].replace("\\\n", "")) for name in FLIGHTS[flight]]
        self.stations = [
            Station(host, line[line.index("--station") + 1]) for host, line in zip(hosts[1:], self.lines[1:], strict=True)
        ]

    def replace(self, line: int, word: str, by: str) -> None:
        """A device that this computer does not have, in line 0 (the aircraft's) or 1 (its station's)."""
        self.lines[line][self.lines[line].index(word)] = by

    def start(self) -> None:
        self.air = self._program(self.lines[0], "air", self._hosts[0])
        for station, line, host in zip(self.stations, self.lines[1:], self._hosts[1:], strict=True):
            station.program = self._program(line, station.name, host)

    def _program(self, line: list[str], name: str, host: Host) -> Program:
        return Program([self._words.get(word, word) for word in line[1:]], self._folder, name, host.within)

    def step(self) -> None:
        self.forward()
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + EVERY_S
            frame, packet = mavlink_frame(self._rng, len(self.frames)), self._rng.randbytes(1200)
            self.frames.add(frame)
            self.packets.add(packet)
            self.fc.sendto(frame, (HOST, int(FC.rpartition(":")[2])))
            self.camera.sendto(packet, (HOST, CAMERA_PORT))
        self.commanded |= COMMAND in drain(self.fc)
        for station in self.stations:
            station.take(READY in station.program.output())
        time.sleep(0.005)

    def until(self, done: Callable[[], bool]) -> bool:
        limit = time.monotonic() + JOIN_WITHIN_S
        while not done():
            if time.monotonic() > limit:
                return False
            self.step()
        return True

    def logs(self) -> str:
        return "\n".join(program.output() for program in (self.air, *(station.program for station in self.stations)))

    def end(self) -> None:
        for program in (self.air, *(station.program for station in self.stations)):
            program.end()
        for made in (self.fc, self.camera, *(end for station in self.stations for end in (station.gcs, station.player))):
            made.close()


# --- networks ---


def address(host: Host, device: str, with_prefix: str) -> None:
    host.ip("address", "add", with_prefix, "broadcast", "+", "dev", device)
    host.ip("link", "set", device, "up")


def cable(near: Host, far: Host, names: tuple[str, str]) -> None:
    near.ip("link", "add", names[0], "type", "veth", "peer", "name", names[1], "netns", str(far.pid))


def one_network(aboard: Host, *stations: Host) -> None:
    """192.168.10.0/24, in which the stations are 2 and 3."""
    aboard.ip("link", "add", "lan", "type", "bridge")
    address(aboard, "lan", "192.168.10.1/24")
    for number, station in enumerate(stations, 2):
        cable(aboard, station, (f"port{number}", "lan"))
        aboard.ip("link", "set", f"port{number}", "master", "lan", "up")
        address(station, "lan", f"192.168.10.{number}/24")


def two_networks(aboard: Host, station: Host) -> None:
    one_network(aboard, station)
    cable(aboard, station, ("vpn", "vpn"))
    address(aboard, "vpn", "10.8.0.2/24")
    address(station, "vpn", "10.8.0.1/24")


def behind_nat(aboard: Host, station: Host, carrier: Host) -> None:
    """A carrier's NAT, and 4 Mbit/s; the station has no route to the aircraft's own address."""
    cable(carrier, aboard, ("near", "modem"))
    cable(carrier, station, ("far", "net"))
    address(carrier, "near", "192.168.8.1/24")
    address(carrier, "far", "203.0.113.1/24")
    address(aboard, "modem", "192.168.8.2/24")
    address(station, "net", "203.0.113.7/24")
    aboard.ip("route", "add", "default", "via", "192.168.8.1")
    pace = "tc qdisc add dev far root tbf rate 4mbit burst 16k latency 100ms"
    for words in (("nft", NAT), shlex.split(pace), ("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")):
        done = subprocess.run([*carrier.within, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no NAT with a rate can be made here: {done.stderr.strip()}")


@contextlib.contextmanager
def computers(count: int) -> Iterator[list[Host]]:
    with contextlib.ExitStack() as stack:
        hosts: list[Host] = []
        for _ in range(count):
            hosts.append(Host(beside=hosts[0] if hosts else None))
            stack.callback(hosts[-1].end)
        yield hosts


@contextlib.contextmanager
def flying(house: House, flight: str, network: Callable[..., None] | None = None, more: int = 0) -> Iterator[Scene]:
    count = len(FLIGHTS[flight])
    with computers(count + more) as hosts:
        if network is not None:
            network(*hosts)
        scene = Scene(house, flight, hosts[:count])
        scene.start()
        try:
            yield scene
        finally:
            scene.end()


def all_came(scene: Scene, *, video: bool = True, commands: bool = True) -> bool:
    """Whether every station shows the aircraft's frames and pictures, and its flight controller gets a command."""
    return scene.until(
        lambda: (
            all(SAYS_OPEN in station.program.output() for station in scene.stations)
            and all(station.frames & scene.frames for station in scene.stations)
            and (not video or all(station.packets & scene.packets for station in scene.stations))
            and (not commands or scene.commanded)
        )
    )


@pytest.mark.parametrize("flight", ["wlan", "broadcast", "several"])
def test_the_lines_for_one_network(house, flight):
    with flying(house, flight, one_network) as scene:
        assert all_came(scene), scene.logs()


def test_the_lines_for_two_networks_at_once(house):
    with flying(house, "both", two_networks) as scene:
        assert all_came(scene), scene.logs()


def test_the_lines_for_an_aircraft_behind_the_nat_of_a_mobile_network(house):
    with flying(house, "lte", behind_nat, more=1) as scene:
        assert all_came(scene), scene.logs()


def test_the_lines_for_the_pipe_of_wfb_ng_bring_telemetry_and_video_and_no_command(house):
    with computers(2) as hosts:
        scene = Scene(house, "wfb-pipe", hosts)
        into, out = hosts[0].udp(LINK_PORT), hosts[1].udp()

        def forward() -> None:
            for datagram in drain(into):
                out.sendto(datagram, (HOST, LINK_PORT))

        scene.forward = forward
        scene.start()
        try:
            assert all_came(scene, commands=False), scene.logs()
            assert not scene.commanded
        finally:
            scene.end()
            into.close()
            out.close()


def test_the_lines_for_a_serial_radio_bring_telemetry_and_commands(house, tmp_path):
    slow = tmp_path / "slow"
    slow.mkdir()
    radio = SerialRadio(tmp_path, 57_600)
    with computers(2) as hosts:
        scene = Scene(House(slow, "x25519"), "sik", hosts)
        for number, end in enumerate((radio.near, radio.far)):
            scene.replace(number, "serial:/dev/ttyUSB0:57600", f"serial:{end}:57600")
        scene.forward = radio.step
        scene.start()
        try:
            assert all_came(scene, video=False), scene.logs()
        finally:
            scene.end()
            radio.close()
