"""What the endpoint tests share: free ports, batches, waiting for something to happen, frames that can be told apart."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence

from gateway.batch import Batch
from gateway.endpoints import Endpoint

HOST = "127.0.0.1"
WITHIN_S = 30.0
HEAD = 5  # of a frame made here: 7E, length(2), index(2)


@contextlib.contextmanager
def no_descriptors() -> Iterator[None]:
    """This process has none left."""
    taken: list[int] = []
    with contextlib.suppress(OSError):
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    try:
        yield
    finally:
        for each in taken:
            os.close(each)


def batch_of(datagrams: Sequence[bytes]) -> Batch:
    batch = Batch()
    batch.hold(datagrams)
    return batch


def until(done: Callable[[], bool]) -> None:
    """Call `done` until it says so; AssertionError if it does not within `WITHIN_S` seconds."""
    limit = time.monotonic() + WITHIN_S
    while not done():
        assert time.monotonic() < limit, "it never happened"
        time.sleep(0.001)


def opened(endpoint: Endpoint, now: float = 0.0) -> Endpoint:
    """Tick until it is there; the clock goes on from `now`, for what does not open at once is tried again after a pause."""
    began = time.monotonic()

    def there() -> bool:
        passed = now + time.monotonic() - began
        endpoint.tick(passed)
        endpoint.receive_into(Batch(), passed)
        return endpoint.state != "reconnecting"

    until(there)
    return endpoint


def received(endpoint: Endpoint, count: int, now: float = 0.0) -> list[bytes]:
    """The next `count` datagrams."""
    batch, out = Batch(), []

    def enough() -> bool:
        if endpoint.receive_into(batch, now):
            out.extend(batch.datagrams())
        return len(out) >= count

    until(enough)
    return out


def received_bytes(endpoint: Endpoint, size: int, now: float = 0.0) -> bytes:
    """The next `size` bytes of a stream."""
    batch, out = Batch(), bytearray()

    def enough() -> bool:
        if endpoint.receive_into(batch, now):
            out.extend(b"".join(batch.datagrams()))
        return len(out) >= size

    until(enough)
    return bytes(out)


def framed(rng: random.Random, index: int) -> bytes:
    """A frame of 5 to 280 bytes that can be told from its neighbours."""
    body = rng.randbytes(rng.randrange(276))
    return b"\x7e" + len(body).to_bytes(2, "big") + index.to_bytes(2, "big") + body


def indexes(stream: bytes) -> list[int]:
    """The indexes of the frames that `stream` consists of; AssertionError unless they are whole, and alone."""
    at, out = 0, []
    while at < len(stream):
        assert stream[at] == 0x7E, f"byte {at} does not begin a frame"
        size = HEAD + int.from_bytes(stream[at + 1 : at + 3], "big")
        assert at + size <= len(stream), f"the frame at byte {at} is cut"
        out.append(int.from_bytes(stream[at + 3 : at + 5], "big"))
        at += size
    return out


def read_all(fd: int) -> bytes:
    """What can be read from a non-blocking file descriptor now."""
    out = bytearray()
    while True:
        try:
            data = os.read(fd, 1 << 16)
        except BlockingIOError:
            return bytes(out)
        if not data:
            return bytes(out)
        out += data
