"""What people meet in the field and what it cost: cases with real processes, each in a process and a folder of its own.

`python -m tests.system.field CASE FOLDER` carries one out and prints what it counted, as JSON. Nothing here is asserted:
test_field.py has the right values. No case knows more of zegel than its commands, so each also runs on an older checkout.
"""

from __future__ import annotations

import contextlib
import json
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pymavlink.dialects.v20 import all as dialect

from firmware_shims.mavlink import Framer
from gateway.config import AirConfig, GroundConfig, endpoint
from gateway.demo.stage import HOST, Program, drain, drain_from, free_port, port_of, run_until, udp_socket
from tests.interop import c_parser
from tests.system.house import Flight, House

Result = dict[str, object]
FC = dialect.MAVLink(None, srcSystem=1, srcComponent=1)
GCS = dialect.MAVLink(None, srcSystem=255, srcComponent=190)
READY = "commands go up"
CUT = 100  # bytes of a datagram of a serial-to-UDP module
ATTITUDE, BOOT_AT = 30, 10  # its message id, and where in its frame the milliseconds since the boot stand
FFMPEG = ("ffmpeg", "-nostdin", "-loglevel", "error")


def frame(message: dialect.MAVLink_message, number: int, mav: dialect.MAVLink = FC) -> bytes:
    mav.seq = number % 256
    return bytes(message.pack(mav))


def attitude(number: int, boot_ms: int = 0, mav: dialect.MAVLink = FC) -> bytes:
    return frame(dialect.MAVLink_attitude_message(boot_ms or number, 0.1, 0.2, 0.3, 0.01, 0.02, 0.03), number, mav)


def text(number: int) -> bytes:
    return frame(dialect.MAVLink_statustext_message(6, b"EKF3 IMU0 is using GPS, fence enabled"), number)


def stick(number: int) -> bytes:
    return frame(dialect.MAVLink_manual_control_message(1, number, 0, 500, 0, 0), number, GCS)


def started_ground(house: House, link: str, gcs: str) -> Program:
    """The pilot's ground, listening at `link`."""
    words = ("ground", "--station", str(house.folder / "pilot"), "--order", str(house.order))
    return Program((*words, "--link", f"udpin:{link}", "--gcs", f"udpout:{gcs}"), house.folder, f"ground-{link}")


def started_air(house: House, fc_port: int, link: str) -> Program:
    words = ("air", "--device", str(house.folder / "drone-7"), "--fc", f"udpin:{HOST}:{fc_port}")
    return Program((*words, "--link", f"udpout:{link}"), house.folder, "air")


def parameters(count: int) -> list[bytes]:
    message = dialect.MAVLink_param_value_message
    return [frame(message(b"P%d" % number, number, 9, count, number), number) for number in range(count)]


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@contextlib.contextmanager
def flying(folder: Path, **more: object) -> Iterator[Flight]:
    """A pilot's station to which commands go up."""
    flight = Flight(House(folder), ("pilot",), **more)  # type: ignore[arg-type]
    try:
        flight.wait_open()
        flight.until(lambda: bool(flight.stations["pilot"].says(READY)))
        yield flight
    finally:
        flight.end()


# --- 10: MAVLink cut over datagrams ---


def cut_down(folder: Path) -> Result:
    sent = [each for number in range(600) for each in (attitude(number), *[text(number)] * (number % 10 == 0))]
    with flying(folder) as flight, udp_socket() as fc:
        for piece in cut(b"".join(sent), CUT):
            fc.sendto(piece, (HOST, flight.fc_port))
            flight.run(0.002)
        flight.until(lambda: len(flight.stations["pilot"].frames) >= len(sent), 2.0)
        return {"got": len({*flight.stations["pilot"].frames} & {*sent}), "of": len(sent)}


def cut_up(folder: Path) -> Result:
    sent, got = [stick(number) for number in range(300)], []
    with flying(folder) as flight, udp_socket() as fc:
        flight.step_more = lambda: got.extend(drain(fc))
        fc.sendto(attitude(0), (HOST, flight.fc_port))
        flight.until(lambda: bool(flight.stations["pilot"].frames))
        for piece in cut(b"".join(sent), CUT):
            flight.stations["pilot"].command(piece)
            flight.run(0.004)
        flight.until(lambda: len(got) >= len(sent), 2.0)
        return {"got": len({*got} & {*sent}), "of": len(sent)}


def cut_ftp(_folder: Path) -> Result:
    message = dialect.MAVLink_file_transfer_protocol_message
    sent = [frame(message(0, 255, 190, [1] * 251), number) for number in range(500)]
    return {"got": len(Framer().datagrams(cut(b"".join(sent), 64))), "of": len(sent)}


# --- 11: large datagrams ---


def large_datagrams(folder: Path) -> Result:
    sent: list[bytes] = []
    with flying(folder) as flight, udp_socket() as fc:
        for size in (50, 60, 200, 1600):
            frames = [attitude(len(sent) + number) for number in range(size)]
            sent += frames
            fc.sendto(b"".join(frames), (HOST, flight.fc_port))
            flight.run(0.2)
        flight.until(lambda: len(flight.stations["pilot"].frames) >= len(sent), 2.0)
        return {"got": flight.stations["pilot"].frames == sent and len(sent), "of": len(sent)}


# --- 12: reports of video (in a network of its own, for the ports are the defaults) ---


def default_ports() -> tuple[list[int], list[int]]:
    air, ground = AirConfig(device="", link=()), GroundConfig(station="", order="")
    return [endpoint(text).port for text in air.video], [endpoint(text).port for text in ground.video]


def reports(folder: Path) -> Result:
    """ffmpeg sends to camera A, its reports as well; what comes out as video B, and whether two players have room."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    house, link, fc = House(folder), free_port(), free_port()
    cameras, players = default_ports()
    ground = ("ground", "--station", str(folder / "pilot"), "--order", str(house.order), "--link", f"udpin:{HOST}:{link}")
    air = ("air", "--device", str(folder / "drone-7"), "--fc", f"udpin:{HOST}:{fc}", "--link", f"udpout:{HOST}:{link}")
    programs = [Program(ground, folder, "ground"), Program(air, folder, "air")]
    picture = ("-re", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25", "-c:v", "libx264", "-g", "25")
    target = ("-preset", "ultrafast", "-f", "rtp", f"rtp://{HOST}:{cameras[0]}?pkt_size=1200")
    film = subprocess.Popen((*FFMPEG, *picture, *target), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        came_a, came_b = [], []
        with udp_socket(players[0]) as first, udp_socket(players[1]) as second:
            sockets = (first, second)
            run_until(lambda: bool(came_a), lambda: came_a.extend(drain(first)), sockets, 20.0)
            run_until(lambda: False, lambda: came_b.extend(drain(second)), sockets, 12.0)
        return {"pictures": bool(came_a), "reports": len(came_b), "second": both_play(folder, players)}
    finally:
        film.kill()
        film.wait()
        for program in programs:
            program.end()


def both_play(folder: Path, ports: Sequence[int]) -> bool:
    """Whether two ffmpeg players can be open at once."""
    with contextlib.ExitStack() as stack:
        players = []
        for port in ports:
            sdp = folder / f"{port}.sdp"
            stream = f"c=IN IP4 {HOST}\nt=0 0\nm=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n"
            sdp.write_text(f"v=0\no=- 0 0 IN IP4 {HOST}\ns=-\n{stream}")
            words = (*FFMPEG, "-protocol_whitelist", "file,udp,rtp", "-i", sdp, "-f", "null", "-")
            players.append(subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            stack.callback(players[-1].wait)
            stack.callback(players[-1].kill)
            time.sleep(1.0)
        return players[1].poll() is None


# --- 13: a name that leads somewhere else (in a mount namespace with a hosts file of its own) ---


def moved_name(folder: Path) -> Result:
    hosts = folder / "hosts"
    hosts.write_text("127.0.0.1 localhost\n127.0.0.1 station.example\n")
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)
    house, port, fc_port, came = House(folder), free_port(), free_port(), []

    with udp_socket() as gcs, udp_socket() as fc:
        ground = started_ground(house, f"127.0.0.1:{port}", f"{HOST}:{port_of(gcs)}")
        air = started_air(house, fc_port, f"station.example:{port}")

        def step() -> None:
            fc.sendto(attitude(1), (HOST, fc_port))
            came.extend(drain(gcs))

        try:
            run_until(lambda: bool(came), step, (gcs,), 20.0)
            ground.end()
            hosts.write_text("127.0.0.1 localhost\n127.0.0.2 station.example\n")
            drain(gcs)
            came.clear()
            ground, began = started_ground(house, f"127.0.0.2:{port}", f"{HOST}:{port_of(gcs)}"), time.monotonic()
            found = run_until(lambda: bool(came), step, (gcs,), 75.0)
            return {"found": found, "seconds": round(time.monotonic() - began)}
        finally:
            air.end()
            ground.end()


# --- 14: answers to a multicast group (in a network of its own) ---


def multicast(folder: Path) -> Result:
    for words in ("link set lo up multicast on", "route add default dev lo"):
        subprocess.run(["ip", *words.split()], check=True)
    house, link, fc_port, group, port = House(folder), free_port(), free_port(), "239.255.145.50", 14550
    with udp_socket() as fc, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as member, udp_socket() as answers:
        member.bind(("", port))
        member.setblocking(False)
        joined = socket.inet_aton(group) + socket.inet_aton(HOST)
        member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, joined)
        ground = started_ground(house, f"{HOST}:{link}", f"{group}:{port}")
        air = started_air(house, fc_port, f"{HOST}:{link}")
        came: list[tuple[bytes, tuple[str, int]]] = []
        got: list[bytes] = []

        def step() -> None:
            fc.sendto(attitude(1), (HOST, fc_port))
            came.extend(drain_from(member))
            got.extend(drain(fc))

        try:
            run_until(lambda: READY in ground.output() and bool(came), step, (member, fc), 20.0)
            for number in range(50):
                answers.sendto(stick(number), came[-1][1])
                run_until(lambda: False, step, (member, fc), 0.02)
            run_until(lambda: len(got) >= 50, step, (member, fc), 2.0)
            return {"got": len(got), "of": 50}
        finally:
            air.end()
            ground.end()


# --- 15: ports that change ---


def restarted_programs(folder: Path) -> Result:
    """The flight controller's program is started 17 times; the last one gets the commands?"""
    with flying(folder) as flight, contextlib.ExitStack() as stack:
        for _ in range(17):
            fc = stack.enter_context(udp_socket())
            for number in range(3):
                fc.sendto(attitude(number), (HOST, flight.fc_port))
                flight.run(0.1)
        for number in range(50):
            flight.stations["pilot"].command(stick(number))
            flight.run(0.01)
        flight.run(1.0)
        return {"got": len(drain(fc)), "of": 50}


class Nat:
    """A way from the aircraft to a station that has another address every second; what goes to an old one is lost."""

    def __init__(self, station: int) -> None:
        self.inside, self.station = udp_socket(), (HOST, station)
        self._outside, self._renew_at = udp_socket(), time.monotonic() + 1.0
        self._aircraft: tuple[str, int] | None = None

    def step(self) -> None:
        if time.monotonic() >= self._renew_at:
            self._outside.close()
            self._outside, self._renew_at = udp_socket(), time.monotonic() + 1.0
        for datagram, sender in drain_from(self.inside):
            self._aircraft = sender
            self._outside.sendto(datagram, self.station)
        for datagram in drain(self._outside):
            if self._aircraft:
                self.inside.sendto(datagram, self._aircraft)


def moving_nat(folder: Path) -> Result:
    house, link, fc_port, sent = House(folder), free_port(), free_port(), 0
    got: list[bytes] = []
    nat = Nat(link)
    with udp_socket() as fc, udp_socket() as gcs:
        ground = started_ground(house, f"{HOST}:{link}", f"{HOST}:{port_of(gcs)}")
        air = started_air(house, fc_port, f"{HOST}:{port_of(nat.inside)}")
        where: list[tuple[str, int]] = []

        def step() -> None:
            fc.sendto(attitude(1), (HOST, fc_port))
            nat.step()
            where.extend(sender for _, sender in drain_from(gcs)[-1:])
            got.extend(drain(fc))

        try:
            run_until(lambda: READY in ground.output() and bool(where), step, (gcs, fc), 30.0)
            until = time.monotonic() + 30.0
            while time.monotonic() < until:
                gcs.sendto(stick(sent), where[-1])
                sent += 1
                run_until(lambda: False, step, (gcs, fc), 0.1)
            run_until(lambda: False, step, (gcs, fc), 1.0)
            return {"got": len(got), "of": sent}
        finally:
            air.end()
            ground.end()


# --- 16: a flight controller by TCP ---


@contextlib.contextmanager
def flying_by_tcp(folder: Path) -> Iterator[tuple[Flight, socket.socket]]:
    """The flight, and the flight controller's end of the connection."""
    with (
        socket.create_server((HOST, 0)) as listening,
        flying(folder, fc=f"tcp:{HOST}:{listening.getsockname()[1]}") as flight,
        listening.accept()[0] as connection,
    ):
        yield flight, connection


def backlog(folder: Path) -> Result:
    sent = parameters(6000)
    with flying_by_tcp(folder) as (flight, connection):
        frames = flight.stations["pilot"].frames
        sender = threading.Thread(target=connection.sendall, args=(b"".join(sent),))
        sender.start()
        flight.until(lambda: len(frames) >= len(sent), 8.0)
        sender.join()
        return {"got": len(frames), "of": len(sent)}


def stopped(folder: Path) -> Result:
    """Telemetry 20 times a second, and `zegel air` stands still for 5 s: how old is what is delivered after that."""
    with flying_by_tcp(folder) as (flight, connection):
        frames, ages = flight.stations["pilot"].frames, []
        due = time.monotonic()

        def step() -> None:
            nonlocal due
            now = time.monotonic()
            if now >= due:
                due += 0.05
                connection.sendall(attitude(0, int(now * 1000) % 2**32))
            ages.extend(now - struct.unpack_from("<I", each, BOOT_AT)[0] / 1000 for each in frames if each[7] == ATTITUDE)
            frames.clear()

        flight.step_more = step
        flight.run(2.0)
        flight.air.process.send_signal(signal.SIGSTOP)
        flight.run(5.0)
        ages.clear()
        flight.air.process.send_signal(signal.SIGCONT)
        flight.run(4.0)
        return {"oldest_s": round(max(ages), 1), "frames": len(ages)}


# --- 17: noise ---


def noise(folder: Path) -> Result:
    sent, line = c_parser.noisy(17, 7980)
    framer = Framer()
    frames = [each for read in cut(line, 512) for each in framer.feed(read)] + framer.end_of_burst()
    return {
        "got": len({*frames} & {*sent}),
        "of": len(sent),
        "invented": len({*frames} - {*sent}),
        "c": len({*c_parser.parsed(line, folder)} & {*sent}),
    }


CASES: dict[str, Callable[[Path], Result]] = {
    case.__name__: case
    for case in (
        *(cut_down, cut_up, cut_ftp, large_datagrams, reports, moved_name, multicast),
        *(restarted_programs, moving_nat, backlog, stopped, noise),
    )
}


if __name__ == "__main__":
    random.seed(1)
    print(json.dumps(CASES[sys.argv[1]](Path(sys.argv[2]))))
