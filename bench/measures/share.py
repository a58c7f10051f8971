"""Share: what `zegel share` adds to a picture on its way to an RTSP reader, and what its readers cost."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.clock import cpu_of
from bench.result import Cell, Options, Progress, Result, Table
from bench.rtsp_readers import PASSWORD, USER, RtspReader
from bench.workspace import Scene, scene
from bench.zegel_pair import ZEGEL, ZegelPair
from gateway.demo.stage import free_port
from gateway.video import rtp
from gateway.video.rtp import CLOCK_HZ, PAYLOAD_TYPE

HOST = "127.0.0.1"
MBIT = 4
PICTURES = 30  # a second, of which the first is a key picture
PACKET_SIZE = 1200
PACKETS = round(MBIT * 125_000 / PACKET_SIZE / PICTURES)  # of a picture
STAMP = 8  # bytes at the end of a packet: when it was sent
READERS = (1, 4, 8)
FULL_S, QUICK_S = 20.0, 3.0
SETTLE_S = 0.5
THERE_WITHIN_S = 30.0
ADDED_P50_MS, CPU_PERCENT = 2.0, 25.0  # bounds: added to the median by one reader, and of a core for eight
_SETS = (bytes.fromhex("6742c01fda014016ec0440000003004000000f03c60ca8"), bytes.fromhex("68ce3c80"))
_KEY, _OTHER = b"\x65", b"\x41"


class Heard(NamedTuple):
    """Milliseconds from the camera: percentiles at the player, and at the readers; percent of a core; packets missing."""

    player_p50: float
    player_p99: float
    reader_p50: float
    reader_p99: float
    cpu: float
    missing: int

    @property
    def added_p50(self) -> float:
        return self.reader_p50 - self.player_p50

    @property
    def added_p99(self) -> float:
        return self.reader_p99 - self.player_p99


class Camera:
    """Sends pictures of noise in RTP; each packet ends with the time at which it was sent."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._to, self._sequence, self._picture = (HOST, port), 0, 0
        self.sent: list[bytes] = []

    def shoot(self) -> None:
        """One picture."""
        key = self._picture % PICTURES == 0
        parts = [*(_SETS if key else ()), *[(_KEY if key else _OTHER) + bytes((0xFF,)) * (PACKET_SIZE - 30)] * PACKETS]
        for place, part in enumerate(parts):
            stamp = time.monotonic_ns().to_bytes(STAMP, "big") if place >= len(parts) - PACKETS else b""
            last = place == len(parts) - 1
            timestamp = self._picture * CLOCK_HZ // PICTURES
            packet = rtp.make(rtp.Packet(PAYLOAD_TYPE, last, self._sequence, timestamp, 1, part + stamp))
            self._socket.sendto(packet, self._to)
            self._sequence = (self._sequence + 1) % rtp.SEQUENCES
            if stamp:
                self.sent.append(stamp)
        self._picture += 1

    def close(self) -> None:
        self._socket.close()


def measure(options: Options, progress: Progress) -> Result:
    """Camera, air, ground, share and its readers on this computer. RuntimeError if no reader gets a stream."""
    seconds = QUICK_S if options.quick else FULL_S
    with scene() as here, contextlib.ExitStack() as ends:
        runtime = here.folder / "runtime"
        runtime.mkdir(mode=0o700)
        environment = {"XDG_RUNTIME_DIR": str(runtime)}
        relay = ZegelPair(environment=environment).start(here)
        relay.wait_ready()
        port, udp = _port(), _even_port()
        share = here.start((*ZEGEL, "share", "--config", _settings(here, port, udp)), "share", environment)
        camera = ends.enter_context(contextlib.closing(Camera(relay.ways.enter)))
        player = ends.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        player.bind((HOST, relay.ways.leave))
        player.setblocking(False)
        _until_there(camera, player, port)
        heard = {}
        for number, count in enumerate(READERS):
            progress(number, len(READERS), f"{count} readers")
            heard[count] = _read(camera, player, port, count, share.pid, seconds)
    return _told(heard)


def _settings(here: Scene, port: int, udp: int) -> Path:
    path = here.folder / "share.toml"
    path.touch(mode=0o600)
    path.write_text(f'[rtsp]\naddress = "{HOST}:{port}"\nuser = "{USER}"\npassword = "{PASSWORD}"\nudp_port = {udp}\n')
    return path


def _port() -> int:
    with socket.socket() as made:
        made.bind((HOST, 0))
        return int(made.getsockname()[1])


def _even_port() -> int:
    """And the next one, by UDP."""
    while (first := free_port()) % 2 or free_port() != first + 1:
        pass
    return first


def _reader(port: int) -> RtspReader:
    return RtspReader(f"rtsp://{HOST}:{port}/aircraft/a", (HOST, port))


def _until_there(camera: Camera, player: socket.socket, port: int) -> None:
    ends, there = time.monotonic() + THERE_WITHIN_S, False
    while not there:
        if time.monotonic() > ends:
            raise RuntimeError("no stream came to zegel share")
        _flight(camera, [(player, lambda: _drain(player, []))], 1.0)
        with contextlib.suppress(OSError, AssertionError):
            _reader(port).close()
            there = True


def _read(camera: Camera, player: socket.socket, port: int, count: int, pid: int, seconds: float) -> Heard:
    readers = [_reader(port) for _ in range(count)]
    straight: list[tuple[int, bytes]] = []
    takes: list[tuple[socket.socket, Callable[[], None]]] = [(player, lambda: _drain(player, straight))]
    takes += [(reader.socket, reader.take) for reader in readers]
    _flight(camera, takes, SETTLE_S)
    for reader in readers:
        reader.came.clear()
    straight.clear()
    camera.sent.clear()
    before = cpu_of(pid)
    _flight(camera, takes, seconds)
    cpu = 100 * (cpu_of(pid) - before) / seconds
    _flight(camera, takes, 0.0)
    own = set(camera.sent)
    direct = [_ms(at, packet) for at, packet in straight if packet[-STAMP:] in own]
    through = [_ms(at, packet) for reader in readers for at, packet in reader.came if packet[-STAMP:] in own]
    for reader in readers:
        reader.close()
    here, there = np.percentile(direct, (50, 99)), np.percentile(through, (50, 99))
    missing = count * len(direct) - len(through)
    return Heard(float(here[0]), float(here[1]), float(there[0]), float(there[1]), cpu, missing)


def _flight(camera: Camera, takes: Sequence[tuple[socket.socket, Callable[[], None]]], seconds: float) -> None:
    """Pictures at their pace for so long, and then what is still on its way."""
    poller = select.poll()
    calls = {one.fileno(): take for one, take in takes}
    for number in calls:
        poller.register(number, select.POLLIN)
    now = time.monotonic()
    due, ends = now, now + seconds
    while now < ends + SETTLE_S:
        if now >= due and now < ends:
            camera.shoot()
            due += 1 / PICTURES
        left = (due if now < ends else ends + SETTLE_S) - time.monotonic()
        for number, _ in poller.poll(max(0, left * 1000)):
            calls[number]()
        now = time.monotonic()


def _drain(player: socket.socket, into: list[tuple[int, bytes]]) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            into.append((time.monotonic_ns(), player.recv(2048)))


def _ms(at_ns: int, packet: bytes) -> float:
    return (at_ns - int.from_bytes(packet[-STAMP:], "big")) / 1e6


def _told(heard: dict[int, Heard]) -> Result:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (count, one.player_p50, one.reader_p50, one.added_p50, one.added_p99, one.cpu, one.missing)
        for count, one in heard.items()
    )
    columns = ("readers", "player p50 (ms)", "reader p50 (ms)", "added p50 (ms)", "added p99 (ms)")
    added, cpu = heard[1].added_p50, heard[8].cpu
    notes = (
        f"bounds: one reader adds under {ADDED_P50_MS:g} ms to the median: {_verdict(added < ADDED_P50_MS)};"
        f" eight cost under {CPU_PERCENT:g} % of a core: {_verdict(cpu < CPU_PERCENT)}",
        f"{MBIT} Mbit/s in {PICTURES} pictures a second, H.264 in RTP; readers by TCP, in one process",
        "player: the UDP output of the same ground; added: at a reader, compared with the player",
    )
    table = Table("zegel share, by RTSP", (*columns, "share (% of a core)", "missing packets"), rows, notes)
    said = f"an RTSP reader gets a picture {added:.2f} ms after the player; eight readers cost {cpu:.1f} % of a core"
    return Result("share", (table,), verdict=said)


def _verdict(kept: bool) -> str:
    return "kept" if kept else "NOT kept"
