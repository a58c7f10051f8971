"""A sender of the same datagrams over and over, in a process of its own: `python -m tests.system.flood PORT PER_S FILE`.

FILE holds datagrams, each behind its length (2 bytes). It sends until SIGTERM, and then prints how many a second it sent.
"""

from __future__ import annotations

import contextlib
import itertools
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

HOST = "127.0.0.1"
TICK_S = 0.002
SENDING = "sending\n"


class Flood:
    """The process, from the side of the test. `datagrams` are written to `file`."""

    def __init__(self, port: int, a_second: int, datagrams: Iterable[bytes], file: Path) -> None:
        file.write_bytes(b"".join(len(datagram).to_bytes(2, "big") + datagram for datagram in datagrams))
        words = [sys.executable, "-m", "tests.system.flood", str(port), str(a_second), str(file)]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
        assert self._process.stdout
        assert self._process.stdout.readline() == SENDING

    def __enter__(self) -> Flood:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def end(self) -> float:
        """Datagrams a second that it sent; AssertionError if it had ended before."""
        assert self._process.poll() is None
        self._process.terminate()
        return float(self._process.communicate(timeout=10)[0])


def read(file: Path) -> list[bytes]:
    data, out = file.read_bytes(), []
    while data:
        size = int.from_bytes(data[:2], "big")
        out.append(data[2 : 2 + size])
        data = data[2 + size :]
    return out


def send(port: int, a_second: int, datagrams: Iterator[bytes]) -> None:
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopping.append(number))
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.connect((HOST, port))
    print(SENDING, end="", flush=True)
    sent, began = 0, time.monotonic()
    while not stopping:
        due = int((time.monotonic() - began) * a_second) - sent
        for datagram in itertools.islice(datagrams, due):
            with contextlib.suppress(ConnectionRefusedError):  # nobody listens yet
                out.send(datagram)
        sent += due
        time.sleep(TICK_S)
    print(sent / (time.monotonic() - began))


if __name__ == "__main__":
    send(int(sys.argv[1]), int(sys.argv[2]), itertools.cycle(read(Path(sys.argv[3]))))
