"""Another user's programs on the computers of a flight: what they can read and send at the plain endpoints of the real
`zegel air` and `zegel ground`, which run as a user of their own, as the services do. Each way is tried, and told.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq
from pymavlink.dialects.v20 import minimal

from gateway.demo.stage import HOST, Program, Radio, drain, free_port, port_of, udp_socket
from tests.memory_link import mavlink_frame
from tests.system.house import House
from tests.system.users import acting_as, as_user, socket_of

if os.geteuid() != 0:
    pytest.skip("needs root, for programs of several users", allow_module_level=True)
if shutil.which("setpriv") is None:
    pytest.skip("needs setpriv: apt install util-linux", allow_module_level=True)

ZEGEL, PILOT, OTHER = 4711, 4713, 4712
WITHIN_S = 20.0
NOTICED_WITHIN_S = 1.0  # the ground looks twice a second
TRY_S = 2.0  # how long a way is tried
STEP_S = 0.02
SYSID_GCS = 255
IP_PKTINFO = 8


def has_plain_users() -> bool:
    return "--plain-user" in Path(__file__).parents[2].joinpath("gateway/config.py").read_text()


class Scene:
    """An aircraft and a station in the air. The pilot's programs are at some of the plain ports, and nobody's at others."""

    def __init__(self, house: House) -> None:
        self.radio = Radio()
        self._rng, self._sent = random.Random(7), 0
        self.pilot, self.player, self.fc = socket_of(PILOT), socket_of(PILOT), socket_of(PILOT)
        self.pilot.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as QGroundControl asks for its own
        self.pilot.bind(("", 0))
        self.player.bind((HOST, 0))
        self.shared, self.alone, self.listens, self.video = port_of(self.pilot), free_port(), free_port(), free_port()
        self.serves, self.feed = free_tcp_port(), free_tcp_port()
        self.fc_port, self.camera, self.camera_b, link = free_port(), free_port(), free_port(), free_port()
        self.radio.listeners = [link]
        self.to_fc: list[bytes] = []
        self.to_pilot: list[bytes] = []
        self.to_player: list[bytes] = []
        allowed = ("--plain-user", str(PILOT)) if has_plain_users() else ()
        pilot = house.folder / "pilot"
        ground = (
            *("ground", "--station", str(pilot), "--order", str(house.order), "--link", f"udpin:{HOST}:{link}"),
            *("--gcs", f"udpout:{HOST}:{self.shared}", "--gcs", f"udpout:{HOST}:{self.alone}"),
            *("--gcs", f"udpin:{HOST}:{self.listens}", "--gcs", f"tcpin:{HOST}:{self.serves}"),
            *("--video", f"udpout:{HOST}:{port_of(self.player)}", "--video", f"udpout:{HOST}:{self.video}"),
            *("--feed", str(self.feed)),
        )
        air = (
            *("air", "--device", str(house.folder / "drone-7"), "--fc", f"udpin:{HOST}:{self.fc_port}"),
            *("--video", f"udpin:{HOST}:{self.camera}", "--video", f"udpin:{HOST}:{self.camera_b}"),
            *("--link", f"udpout:{HOST}:{self.radio.port}"),
        )
        for folder in (pilot, house.folder / "drone-7", house.folder / "run"):
            subprocess.run(["chown", "-R", f"{ZEGEL}:{ZEGEL}", folder], check=True)
        self.ground = Program((*ground, *allowed), house.folder, "ground", as_user(ZEGEL))
        self.air = Program((*air, *allowed), house.folder, "air", as_user(ZEGEL))

    def step(self) -> None:
        self._sent += 1
        self.fc.sendto(mavlink_frame(self._rng, self._sent % 256), (HOST, self.fc_port))
        self.radio.relay()
        time.sleep(STEP_S)
        self.radio.relay()
        self.to_fc += drain(self.fc)
        self.to_pilot += drain(self.pilot)
        self.to_player += drain(self.player)

    def until(self, done: Callable[[], bool], limit_s: float = WITHIN_S) -> bool:
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            self.step()
            if done():
                return True
        return False

    def grounds_ports(self) -> list[int]:
        """The UDP ports of the ground's own choice, as every user can see them."""
        rows = re.findall(r": 00000000:(\w{4}) \S+ \S\S \S+ \S+ \S+ +(\d+)", Path("/proc/net/udp").read_text())
        return [int(port, 16) for port, uid in rows if int(uid) == ZEGEL]

    def pilot_commands(self, frame: bytes) -> bool:
        def sent() -> bool:
            for port in self.grounds_ports():
                self.pilot.sendto(frame, (HOST, port))
            return frame in self.to_fc

        return self.until(sent)

    def logs(self) -> str:
        return f"{self.air.output()}\n{self.ground.output()}"

    def end(self) -> None:
        self.air.end()
        self.ground.end()
        for made in (self.radio, self.pilot, self.player, self.fc):
            made.close()


def free_tcp_port() -> int:
    with socket.socket() as made:
        made.bind((HOST, 0))
        return port_of(made)


def command(number: int) -> bytes:
    """A frame that only this try sends."""
    return heartbeat(SYSID_GCS, number)


def heartbeat(sysid: int, custom: int) -> bytes:
    sender = minimal.MAVLink(None, srcSystem=sysid, srcComponent=1)
    return bytes(minimal.MAVLink_heartbeat_message(6, 8, 0, custom, 4, 3).pack(sender))


@pytest.fixture
def scene(house) -> Iterator[Scene]:
    made = Scene(house)
    assert made.until(lambda: made.to_pilot and "commands go up" in made.ground.output()), made.logs()
    yield made
    made.end()


# --- the ways of another user; each gives what it reached ---


def bound(port: int, host: str = HOST) -> socket.socket:
    made = socket_of(OTHER)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((host, port))
    return made


def reads_and_commands(scene: Scene, made: socket.socket, to: list[int], number: int) -> set[str]:
    read: list[bytes] = []

    def tried() -> bool:
        for port in to:
            made.sendto(command(number), (HOST, port))
        read.extend(drain(made))
        return False

    scene.until(tried, TRY_S)
    return {*({"reads telemetry"} if read else ()), *({"commands"} if command(number) in scene.to_fc else ())}


def not_taken_yet(scene: Scene) -> set[str]:
    with contextlib.closing(bound(scene.alone)) as made:
        return reads_and_commands(scene, made, scene.grounds_ports(), 1)


def shares_the_pilots(scene: Scene) -> set[str]:
    """Once it is noticed; until then it reads and commands, as gateway/THREATS.md says."""
    with contextlib.closing(bound(scene.shared)) as made:
        scene.until(lambda: False, NOTICED_WITHIN_S)
        drain(made)
        return reads_and_commands(scene, made, scene.grounds_ports(), 2)


def listening_port(scene: Scene) -> set[str]:
    with contextlib.closing(bound(0)) as made:
        return reads_and_commands(scene, made, [scene.listens], 3)


def sends_and_is_gone(scene: Scene) -> set[str]:
    def tried() -> bool:
        with contextlib.closing(bound(0)) as made:
            made.sendto(command(4), (HOST, scene.listens))
        return False

    scene.until(tried, TRY_S)
    return {"commands"} if command(4) in scene.to_fc else set()


def with_the_pilots_address(scene: Scene) -> set[str]:
    """From the same port at another address of loopback, and the pilot's address written into each datagram."""
    with contextlib.closing(bound(scene.shared, "127.0.0.9")) as made:
        scene.until(lambda: False, NOTICED_WITHIN_S)
        source = (socket.IPPROTO_IP, IP_PKTINFO, struct.pack("=i4s4s", 0, socket.inet_aton(HOST), bytes(4)))

        def tried() -> bool:
            for port in scene.grounds_ports():
                made.sendmsg([command(5)], [source], 0, (HOST, port))
            return False

        scene.until(tried, TRY_S)
    return {"commands"} if command(5) in scene.to_fc else set()


def connects(scene: Scene, *, stays: bool = True, number: int = 6) -> set[str]:
    read = b""
    with contextlib.closing(socket_of(OTHER, socket.SOCK_STREAM)) as made:
        made.setblocking(True)
        made.connect((HOST, scene.serves))
        made.settimeout(0.01)
        made.sendall(command(number) * 3)
        if not stays:
            made.close()

        def tried() -> bool:
            nonlocal read
            with contextlib.suppress(OSError):
                read += made.recv(1 << 16)
            return False

        scene.until(tried, TRY_S)
    return {*({"reads telemetry"} if read else ()), *({"commands"} if command(number) in scene.to_fc else ())}


def connects_and_is_gone(scene: Scene) -> set[str]:
    return connects(scene, stays=False, number=7)


def camera(scene: Scene) -> set[str]:
    with contextlib.closing(bound(0)) as made:

        def tried() -> bool:
            made.sendto(b"video of another user", (HOST, scene.camera))
            return b"video of another user" in scene.to_player

        return {"sends video"} if scene.until(tried, TRY_S) else set()


def player(scene: Scene) -> set[str]:
    with contextlib.closing(bound(scene.video)) as made, contextlib.closing(socket_of(PILOT)) as eye:
        seen: list[bytes] = []

        def tried() -> bool:
            eye.sendto(b"video of the pilot's", (HOST, scene.camera_b))
            seen.extend(drain(made))
            return bool(seen)

        return {"sees video"} if scene.until(tried, TRY_S) else set()


def flight_controller(scene: Scene) -> set[str]:
    forged = heartbeat(77, 0)
    with contextlib.closing(bound(0)) as made:
        read: list[bytes] = []

        def tried() -> bool:
            made.sendto(forged, (HOST, scene.fc_port))
            scene.pilot.sendto(command(8), (HOST, scene.grounds_ports()[0]))
            read.extend(drain(made))
            return False

        scene.until(tried, TRY_S)
    return {*({"reads commands"} if read else ()), *({"forges telemetry"} if forged in scene.to_pilot else ())}


def feed(scene: Scene) -> set[str]:
    with acting_as(OTHER), zmq.Context() as context, context.socket(zmq.SUB) as made:
        made.linger = 0
        made.connect(f"tcp://{HOST}:{scene.feed}")
        made.subscribe(b"telemetry")
        time.sleep(0.2)  # its own thread connects, and has taken over the user that this one acts as
        return {"reads telemetry"} if scene.until(lambda: bool(made.poll(0)), TRY_S) else set()


WAYS: dict[str, Callable[[Scene], set[str]]] = {
    "at the station, takes a port of udpout: before the pilot's program": not_taken_yet,
    "at the station, shares the port of the pilot's program (SO_REUSEADDR)": shares_the_pilots,
    "at the station, sends with the address of the pilot's program (IP_PKTINFO)": with_the_pilots_address,
    "at the station, sends to udpin:": listening_port,
    "at the station, sends to udpin:, each time from a socket that is closed at once": sends_and_is_gone,
    "at the station, connects to tcpin:": connects,
    "at the station, connects to tcpin:, sends, and is gone": connects_and_is_gone,
    "at the station, takes the port of a video player": player,
    "at the station, subscribes to the feed": feed,
    "aboard, sends to the camera's port": camera,
    "aboard, sends to the flight controller's port": flight_controller,
}


def test_another_users_programs_read_nothing_and_send_nothing(scene, figure):
    assert scene.pilot_commands(command(100)), scene.logs()
    reached = {way: attempt(scene) for way, attempt in WAYS.items()}
    for way, what in reached.items():
        figure(f"another user {way}: {', '.join(sorted(what)) or 'nothing'}")
    assert scene.pilot_commands(command(101)), scene.logs()
    assert not {way: what for way, what in reached.items() if what}
    for role in (scene.ground, scene.air):
        assert f"(uid {OTHER})" in role.output()
        assert f"let it in: --plain-user {OTHER}\n" in role.output()


def test_the_port_of_a_program_that_ended_has_no_user(scene):
    """What was let in was that program, not its port."""
    scene.pilot.close()
    scene.pilot = udp_socket()
    with contextlib.closing(bound(scene.shared)) as made:
        assert reads_and_commands(scene, made, scene.grounds_ports(), 9) <= {"reads telemetry"}
        drain(made)
        assert reads_and_commands(scene, made, scene.grounds_ports(), 10) == set(), "half a second later"


def test_a_user_that_shares_the_port_for_one_datagram_is_alarmed(scene, figure):
    """No table tells who had a port, but mostly Linux tells in time that a socket has left it."""
    tries, pause_s = 10, 0.4  # longer than a port is not believed for
    for number in range(tries):
        with contextlib.closing(bound(scene.shared)) as made:
            for port in scene.grounds_ports():
                made.sendto(command(1000 + number), (HOST, port))
        scene.until(lambda: False, pause_s)
    taken = sum(command(1000 + number) in scene.to_fc for number in range(tries))
    figure(f"another user at the station, shares the pilot's port for one command and is gone: {taken} of {tries} taken")
    assert "no known program has that port" in scene.ground.output()
    assert scene.pilot_commands(command(102)), scene.logs()
