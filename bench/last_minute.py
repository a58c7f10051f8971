"""Last minute: a long recording, made by the recorder's own code on a faster clock, and the start of playing its end.

What lives here: making the card, and the time and memory until `zegel recording play` has sent the first picture.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.clock import memory_of
from bench.compiler import Absent
from bench.load import PICTURES_PER_S, TRACES
from bench.recorded_session import data, in_a_message, records
from bench.recorder_in_memory import RecorderInMemory
from bench.recorder_rates import folder
from bench.result import Progress, Table
from bench.workspace import Scene, end
from bench.zegel_pair import ZEGEL
from gateway.demo.stage import DATAGRAM_MAX, HOST, free_port, port_of, udp_socket
from gateway.recording import opened
from gateway.video.nal import AccessUnit
from gateway.video.packetiser import MTU, Packetiser

SIZE, QUICK_SIZE = 2_000_000_000, 200_000_000  # bytes
LAST_S = 60.0
MBIT = 8
KEY_EVERY = 60  # pictures, as in the traces
SETS = (bytes.fromhex("6764001facd9405005bb016a02020280"), bytes.fromhex("68ebe3cb22c0"))  # of x264, 1280x720
KEY, OTHER = 0x65, 0x41  # the first byte of a slice: of a key picture, and of another
TICKS = 90_000  # a second, of RTP
MARKER = 0x80
WITHIN_S = 60.0


class Played(NamedTuple):
    """The card: bytes, seconds of flight. Until the first picture: seconds, and the most memory in MB."""

    size: int
    flight_s: float
    seconds: float
    memory: float


def measure(scene: Scene, size: int, progress: Progress) -> Played:
    """Absent if nothing is played."""
    place = folder(scene, size + (1 << 30))
    progress(0, 2, "a long recording")
    written = make(RecorderInMemory(place / "archive", place / "card"), size)
    (found,) = opened.sessions(place / "card")
    flight_s = found.end_us / 1e6
    progress(1, 2, "its last minute")
    seconds, memory = _first_picture(scene, place, flight_s - LAST_S)
    return Played(written, flight_s, seconds, memory)


def make(recorder: RecorderInMemory, size: int) -> int:
    """Record so many bytes, on a clock that runs faster."""
    now, most = 0.0, in_a_message(MTU)
    for number, packets in enumerate(_pictures()):
        now = number / PICTURES_PER_S
        for at in range(0, len(packets), most):
            recorder.put(data(records(packets[at : at + most], int(now * 1e9))), now)
        if recorder.written >= size:
            break
    recorder.end(now)
    return recorder.written


def _pictures() -> Iterator[list[bytes]]:
    """The RTP packets of each, with real sizes of an encoder, and no end."""
    sizes = [int(line) for line in (TRACES / f"x264-{MBIT}.txt").read_text().split()]
    noise = os.urandom(max(sizes))
    packetiser, number = Packetiser("h264", 1, 0), 0
    while True:
        for size in sizes:
            key = number % KEY_EVERY == 0
            slices = bytes([KEY if key else OTHER]) + noise[: max(1, size - 1)]
            unit = AccessUnit([*(SETS if key else ()), slices], key, 0.0, "h264")
            yield packetiser.packets(unit, number * TICKS // PICTURES_PER_S)
            number += 1


def _first_picture(scene: Scene, place: Path, from_s: float) -> tuple[float, float]:
    """Seconds from the start of the program to the end of its first picture, and the most memory until then."""
    begin = f"+{int(from_s) // 60}:{from_s % 60:05.2f}"
    with udp_socket() as player:
        words = (*ZEGEL, "recording", "play", str(place / "card"), "--key", str(place / "archive"), "--from", begin)
        gcs = ("--gcs", f"udpout:{HOST}:{free_port()}", "--video", f"udpout:{HOST}:{port_of(player)}")
        began = time.monotonic()
        playing = scene.start((*words, *gcs), "play")
        try:
            while time.monotonic() < began + WITHIN_S and playing.poll() is None:
                player.settimeout(0.2)
                try:
                    packet = player.recv(DATAGRAM_MAX)
                except TimeoutError:
                    continue
                if packet[1] & MARKER:
                    return time.monotonic() - began, memory_of(playing.pid)[1]
        finally:
            end(playing)
    raise Absent(f"zegel recording play sent no picture: {scene.last_words('play')}", hint="start it by hand")


def table(played: Played) -> Table:
    columns = ("card (MB)", "flight (s)", "first picture after (s)", "most memory (MB)")
    row = (played.size / 1e6, played.flight_s, played.seconds, played.memory)
    notes = (
        f"zegel recording play --from the last {LAST_S:.0f} s, from its start to the end of the first picture it sends",
        f"video of {MBIT} Mbit/s in pictures, in memory: a card that has to be read adds its own time",
    )
    return Table("The first picture of the last minute", columns, (row,), notes)
