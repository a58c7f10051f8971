"""Byte streams over any carrier: bytes are received as they come, frames are sent whole or not at all.

What lives here: `Stream`, one connection, and `StreamEndpoint`, an endpoint with one connection at a time. What must not:
connecting, accepting, opening (tcp.py, serial.py).
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Protocol

from gateway.batch import HEADROOM, ROOM, SLOT_SIZE, Batch
from gateway.endpoint_state import State
from gateway.endpoints.address import Address
from gateway.endpoints.age import Age
from gateway.endpoints.endpoint import READ, TICK_SOON_S, WRITE, Counters, Endpoint

DROP_AFTER_S = 1.0  # in our own queue; an older frame would do more harm than good
QUEUE_MAX = 1 << 20  # bytes; protects the memory, and is far more than a second of any telemetry
FRAMES_A_WRITE = 64
C_INT = struct.Struct("@i")
POSIX = os.name == "posix"
if POSIX:
    import fcntl
    import termios


class Line(Protocol):
    """The carrier of a stream: a non-blocking socket, or a serial port that looks like one.

    `recv_into` and `send` raise BlockingIOError when they would wait; `recv_into` gives 0 at the end of the stream.
    """

    def fileno(self) -> int: ...
    def recv_into(self, buffer: memoryview, /) -> int: ...
    def send(self, data: bytes, /) -> int: ...
    def close(self) -> None: ...


class Stream:
    """A line and the frames that wait for it, as connection `number` of its endpoint.

    A frame of which a part is on the wire is always finished, and the next begins only after it: the receiver never
    sees half a frame followed by another one (mavlink-router#133).
    """

    def __init__(self, line: Line, number: int, counters: Counters, name: str = "", since: float | None = None) -> None:
        """`since`: a time before any data arrived by it, on `clock.now`; by default now."""
        self.number, self.name = number, name
        self._age = Age(since)
        self._line, self._counters = line, counters
        self._waiting: deque[tuple[float, bytes]] = deque()  # (since when, frame)
        self._size = 0  # bytes of all frames that wait
        self._begun = 0  # bytes of the first frame that are already on the wire

    @property
    def unsent(self) -> int:
        """Bytes that the line has not accepted yet."""
        return self._size - self._begun

    def interests(self) -> tuple[int, int]:
        return self._line.fileno(), READ | (WRITE if self._waiting else 0)

    # --- in ---

    def read(self, batch: Batch, portion: int = ROOM) -> int:
        """Put received data into the slots of an empty batch, in order. OSError when the connection has ended."""
        self._age.begin()
        total, emptied = 0, False
        while not (batch.full or emptied):
            size = self._read_slot(batch, portion)
            batch.lengths[batch.count] = size
            batch.count += size > 0
            total += size
            emptied = size < portion
        left = 0 if emptied else self._unread()
        if left is None or (emptied and not self._age.in_parts):
            batch.waited(*self._age.waited(None, emptied=emptied))
        else:
            batch.waited(self._age.took(total, left))
        self._counters.rx_datagrams += batch.count
        self._counters.rx_bytes += total
        return batch.count

    def _unread(self) -> int | None:
        """Bytes that have come and were not read; None where the system does not tell."""
        if not POSIX:
            return None
        told = bytearray(C_INT.size)
        with contextlib.suppress(OSError):
            fcntl.ioctl(self._line.fileno(), termios.FIONREAD, told)
            return int(C_INT.unpack(told)[0])
        return None

    def _read_slot(self, batch: Batch, portion: int) -> int:
        at = batch.count * SLOT_SIZE + HEADROOM
        try:
            size = self._line.recv_into(batch.arena[at : at + portion])
        except BlockingIOError:
            return 0
        except OSError:
            if batch.count:
                return 0  # return the data before the end; the next call meets the end again
            raise
        if not size and not batch.count:
            raise ConnectionResetError(errno.ECONNRESET, "end of stream")
        return size

    # --- out ---

    def write(self, frames: Iterable[bytes], now: float) -> int:
        """Send these frames; how many go or wait. OSError when the connection has ended."""
        self._drop_late(now)
        taken = 0
        for frame in frames:
            if self._size + len(frame) > QUEUE_MAX:
                self._counters.dropped_tx += 1
                continue
            self._waiting.append((now, frame))
            self._size += len(frame)
            taken += 1
        self._write_on()
        return taken

    def flush(self, now: float) -> None:
        """Write as much waiting data as the line accepts now. OSError when the connection has ended."""
        self._drop_late(now)
        self._write_on()

    def _write_on(self) -> None:
        while self._waiting:
            data = b"".join(frame for _, frame in islice(self._waiting, FRAMES_A_WRITE))[self._begun :]
            try:
                sent = self._line.send(data)
            except BlockingIOError:
                return
            self._advance(sent)
            if sent < len(data):
                return

    def _advance(self, sent: int) -> None:
        self._counters.tx_bytes += sent
        self._begun += sent
        while self._waiting and self._begun >= len(self._waiting[0][1]):
            size = len(self._waiting.popleft()[1])
            self._begun -= size
            self._size -= size
            self._counters.tx_datagrams += 1

    def _drop_late(self, now: float) -> None:
        begun = [self._waiting.popleft()] if self._begun else []
        while self._waiting and now - self._waiting[0][0] > DROP_AFTER_S:
            self._size -= len(self._waiting.popleft()[1])
            self._counters.late_drop += 1
        self._waiting.extendleft(begun)

    def close(self) -> None:
        """Close the line; waiting frames are lost and counted."""
        self._counters.dropped_tx += len(self._waiting)
        self._waiting.clear()
        self._line.close()


class StreamEndpoint(Endpoint):
    """An endpoint with one connection at a time."""

    stream = True

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._stream: Stream | None = None

    def receive_into(self, batch: Batch, now: float) -> int:
        batch.clear()
        if self._stream is None:
            return 0
        try:
            self._stream.flush(now)
            return self._stream.read(batch, self.portion)
        except OSError as error:
            self._lost(error, now)
            return 0

    def send(self, batch: Batch, now: float) -> int:
        if self._stream is None:
            self.counters.dropped_tx += batch.count
            return 0
        try:
            return self._stream.write(self._frames(batch), now)
        except OSError as error:
            self._lost(error, now)
            return 0

    def tick_within_s(self) -> float:
        return TICK_SOON_S  # no timestamp tells the age of its data

    def interests(self) -> list[tuple[int, int]]:
        return [] if self._stream is None else [self._stream.interests()]

    def _frames(self, batch: Batch) -> Iterable[bytes]:
        """The bytes on the line for each datagram of `batch`."""
        return batch.datagrams()

    def _connected(self, line: Line, now: float, since: float | None = None) -> None:
        """`since`: as for `Stream`."""
        self.connection += 1
        self._stream = Stream(line, self.connection, self.counters, since=since)
        self._opened(State.CONNECTED, now)

    def _release(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream = None
