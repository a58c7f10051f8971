"""Loopback flight: some seconds of flight over loopback, through the real `zegel air` and `zegel ground`, under one tuning.

The frames are those of a recorded flight, at the rate of a UART; the camera sends whole pictures, a key picture a second.
What lives here: the load, and its result. What must not: the choice of a tuning (bench.measures.tune).
"""

from __future__ import annotations

import math
import select
import signal
import struct
import time
from types import TracebackType
from typing import NamedTuple

import msgspec
import numpy as np

from bench.clock import cpu_of
from bench.fixture import House
from firmware_shims.mavlink import CHECKSUM_SIZE, V2, V2_HEADER
from gateway.config import Tuning
from gateway.demo.flight import Log, ends_on_the_line, recorded_flight
from gateway.demo.stage import HOST, SAYS_OPEN, Program, drain, free_port, port_of, udp_socket
from gateway.errors import NotRunning

STAMP = struct.Struct("<q")  # when it was sent, in ns of the monotonic clock
FRAME_MIN = V2_HEADER + STAMP.size + CHECKSUM_SIZE
PAYLOAD_MAX = 255
ATTITUDE = 30  # any message that may cross; its content is not read
FROM_S = 20.0  # of the recorded flight: parameters have been loaded, and it flies
VIDEO_SIZE = 1200
PICTURES = 30  # a second
KEY_PICTURE = 5  # times as large as the others, one a second
PILE_S = 4.0  # seconds of video, sent to an air that stands still
HEAR_PILE_S = 0.5
SETTLE_S = 0.2
OPEN_WITHIN_S = 20.0


class Flown(NamedTuple):
    """`air`, `ground` in % of a core; the percentiles in ms, from the sender's call to ours.

    `lost` is the percentage of the load that did not arrive. `kept` is how many seconds of the video that accumulates while
    air stands still arrive when it continues: older video is lost, and newer video arrives late.
    """

    air: float
    ground: float
    telemetry_p50: float
    telemetry_p99: float
    video_p50: float
    video_p99: float
    lost: float
    kept: float


class Due(NamedTuple):
    """An item that is sent `at` this second: a frame of `size` bytes, or a picture of `size` datagrams."""

    at: float
    picture: bool
    size: int


class Rehearsal:
    """Context manager: the two processes under `tuning`, joined. `mbit` is the camera's rate."""

    def __init__(self, house: House, tuning: Tuning, mbit: float) -> None:
        self.mbit = mbit
        file = house.folder / "tuning.toml"
        file.write_text(written(tuning))
        more = ("--tuning", str(file))
        for name in ("air", "ground"):
            (house.folder / f"{name}.log").unlink(missing_ok=True)
        self._gcs, self._player, self._out = udp_socket(), udp_socket(), udp_socket()
        self._fc, self._camera, link = free_port(), free_port(), free_port()
        ends = (port_of(self._gcs), port_of(self._player))
        self._ground = Program(house.ground("pilot", link, *ends, more), house.folder, "ground")
        self._air = Program(house.air(self._fc, self._camera, link, more), house.folder, "air")

    def __enter__(self) -> Rehearsal:
        until = time.monotonic() + OPEN_WITHIN_S
        while SAYS_OPEN not in self._ground.output():
            if time.monotonic() > until:
                told = self._air.output() + self._ground.output()
                self.close()
                raise NotRunning("zegel ground does not open what zegel air sends", hint=told)
            time.sleep(0.02)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        for program in (self._air, self._ground):
            program.end()
        for made in (self._gcs, self._player, self._out):
            made.close()

    # --- the flight ---

    def fly(self, seconds: float) -> Flown:
        """Play the load, stall once after it, and record the output at the other end."""
        took: dict[bool, list[int]] = {False: [], True: []}  # ns, of telemetry and of video
        plan = schedule(seconds, self.mbit)
        busy, began = self._cpu(), time.monotonic()
        for due in plan:
            self._hear(began + due.at, took)
            self._send(due)
        self._hear(time.monotonic() + SETTLE_S, took)
        lasted = time.monotonic() - began
        air, ground = (100 * (now - then) / lasted for now, then in zip(self._cpu(), busy, strict=True))
        sent = sum(due.size if due.picture else 1 for due in plan)
        lost = 100 * (1 - (len(took[False]) + len(took[True])) / sent)
        return Flown(air, ground, *_percentiles(took[False]), *_percentiles(took[True]), lost, self._stall())

    def _cpu(self) -> list[float]:
        return [cpu_of(program.process.pid) for program in (self._air, self._ground)]

    def _send(self, due: Due) -> None:
        if due.picture:
            for _ in range(due.size):
                self._out.sendto(STAMP.pack(time.monotonic_ns()).ljust(VIDEO_SIZE, b"\0"), (HOST, self._camera))
        else:
            self._out.sendto(frame(due.size), (HOST, self._fc))

    def _hear(self, until: float, took: dict[bool, list[int]]) -> None:
        while (left := until - time.monotonic()) > 0:
            ready, _, _ = select.select((self._gcs, self._player), (), (), left)
            for made in ready:
                at = V2_HEADER if made is self._gcs else 0
                for datagram in drain(made):
                    took[made is self._player].append(time.monotonic_ns() - STAMP.unpack_from(datagram, at)[0])

    def _stall(self) -> float:
        """Stop `zegel air`, like a board that is busy with other work, and continue it: the seconds of video it has."""
        rate = self.mbit * 1e6 / 8 / VIDEO_SIZE
        self._air.process.send_signal(signal.SIGSTOP)
        try:
            self._send(Due(0.0, True, round(PILE_S * rate)))
        finally:
            self._air.process.send_signal(signal.SIGCONT)
        took: dict[bool, list[int]] = {False: [], True: []}
        self._hear(time.monotonic() + HEAR_PILE_S, took)
        return len(took[True]) / rate


def telemetry(seconds: float) -> Log:
    """Some seconds of the recorded flight, each frame at the time when the last of it has come out of the UART."""
    log = recorded_flight()
    heard = zip(ends_on_the_line(log), log, strict=True)
    return [(at - FROM_S, frame) for at, (_, frame) in heard if 0 <= at - FROM_S < seconds]


def schedule(seconds: float, mbit: float) -> list[Due]:
    """The frames of the recorded flight, and pictures of a camera of `mbit`, in order."""
    frames = [Due(at, False, len(frame)) for at, frame in telemetry(seconds)]
    share = mbit * 1e6 / 8 / VIDEO_SIZE / (PICTURES - 1 + KEY_PICTURE)  # datagrams of a picture that is not a key picture
    pictures = [
        Due(number / PICTURES, True, round(share * (1 if number % PICTURES else KEY_PICTURE)))
        for number in range(int(seconds * PICTURES))
    ]
    return sorted(frames + pictures)


def frame(size: int) -> bytes:
    """A MAVLink 2 frame of about `size` bytes with the time of its creation. Its checksum is not checked here."""
    payload = min(max(size, FRAME_MIN) - V2_HEADER - CHECKSUM_SIZE, PAYLOAD_MAX)
    head = bytes([V2, payload, 0, 0, 0, 1, 1, ATTITUDE, 0, 0])
    return head + STAMP.pack(time.monotonic_ns()).ljust(payload + CHECKSUM_SIZE, b"\0")


def written(tuning: Tuning) -> str:
    """The tuning as a file that `--tuning` reads."""
    return "".join(f"{key} = {value}\n" for key, value in msgspec.structs.asdict(tuning).items())


def _percentiles(took: list[int]) -> tuple[float, float]:
    """p50 and p99 in milliseconds; not a number if nothing came."""
    if not took:
        return math.nan, math.nan
    p50, p99 = np.percentile(took, (50, 99))
    return float(p50) / 1e6, float(p99) / 1e6
