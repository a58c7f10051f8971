"""How long `zegel recording play` takes to the first picture of the last minute of a large card, and how much memory.

`python -m tests.system.late_picture FOLDER [BYTES]` writes the card there, unless it is there, and prints the figures.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from gateway.demo.stage import HOST
from keys.folders.recording import RecordingFolder
from keys.grant import Profile
from tests.system.large_card import forget, write

BYTES_PER_S = 1_000_000  # 8 Mbit/s
RUNS = 5
MARKER = 0x80  # of the second byte of RTP: a picture is whole


def first_picture(card: Path, key: Path, begin_s: int) -> tuple[float, float, float]:
    """(seconds from the start of the command to a whole picture, MB of the largest process, seconds of the processor)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as player:
        player.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        player.bind((HOST, 0))
        player.settimeout(60)
        place = f"udpout:{HOST}:{player.getsockname()[1]}"
        words = ["play", card, "--key", key, "--from", f"+{begin_s}", "--video", place, "--gcs", f"udpout:{HOST}:9"]
        began = time.monotonic()
        command = [sys.executable, "-m", "gateway.cli", "recording", *map(str, words)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        packets = [player.recv(65_536)]
        while not packets[-1][1] & MARKER:
            packets.append(player.recv(65_536))
        seconds = time.monotonic() - began
        assert b"\x67\x42\x00\x1e" in packets[0], "it does not begin with parameter sets"
        time.sleep(2.0)  # memory of a while of playing
        process.terminate()
        _, _, usage = os.wait4(process.pid, 0)  # of it, or of a program that it ran and that has ended
        process.returncode = 0
        return seconds, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime


class Found(NamedTuple):
    line: str
    memory_mb: float  # of the largest of its processes


def measure(folder: Path, size: int) -> Found:
    key, card, seconds = folder / "archive", folder / "card", size // BYTES_PER_S
    if not card.exists():
        RecordingFolder.init(key, "archive", Profile.X_WING)
        write(card, RecordingFolder.open(key), seconds, BYTES_PER_S)
    found = []
    for _ in range(RUNS):
        held = forget(card)
        found.append(first_picture(card, key, seconds - 60))
    warm = [first_picture(card, key, seconds - 60) for _ in range(RUNS)]
    first, _, cpu = (median(each) for each in zip(*found, strict=True))
    memory = max(each[1] for each in found)
    worst, cached = max(each[0] for each in found), median(each[0] for each in warm)
    line = (
        f"first picture of the last minute of {held / 1e9:.2f} GB, median of {RUNS}: {first:.2f} s with a cold cache "
        f"(worst {worst:.2f}), {cached:.2f} s with a warm one; {memory:.0f} MB, {cpu:.2f} s of the processor"
    )
    return Found(line, memory)


if __name__ == "__main__":
    print(measure(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2_000_000_000).line)
