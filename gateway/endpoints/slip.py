"""Datagrams over a serial radio, each between two END bytes: SLIP, RFC 1055.

What lives here: the framing and the endpoint `SlipLine`. What must not: the port (serial.py) and the queue of frames,
which sends them in order, complete, and at most a second late (stream.py).

SLIP has no checksum, and needs none here: changed bytes fail the AEAD, the signature or the hash of a datagram.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator

from gateway import clock
from gateway.batch import ROOM, Batch
from gateway.endpoints.address import Address
from gateway.endpoints.serial import SerialLine
from gateway.endpoints.stream import Line

END, ESC, ESC_END, ESC_ESC = b"\xc0", b"\xdb", b"\xdc", b"\xdd"  # RFC 1055
TICK_S = 0.05  # commands are late after 150 ms, and no timestamp tells their age
FRAME_MAX = 2 * ROOM  # a datagram of which every byte is escaped
_BAD_ESCAPE = re.compile(rb"\xdb(?![\xdc\xdd])")


def encode(datagram: bytes) -> bytes:
    """END, the escaped datagram, END. The first END ends any noise on the line before it."""
    return END + datagram.replace(ESC, ESC + ESC_ESC).replace(END, ESC + ESC_END) + END


def unescape(body: bytes) -> bytes | None:
    """The datagram between two ENDs; None if an ESC in it is followed by neither of its two bytes."""
    if _BAD_ESCAPE.search(body):
        return None
    return body.replace(ESC + ESC_END, END).replace(ESC + ESC_ESC, ESC)


class Decoder:
    """Bytes of one connection in, whole datagrams out. Holds at most one unfinished frame of `FRAME_MAX` bytes.

    `skipped_bytes`  bytes of frames with a bad escape, or too long
    """

    __slots__ = ("_begun", "_overlong", "skipped_bytes")

    def __init__(self) -> None:
        self.skipped_bytes = 0
        self._begun = b""
        self._overlong = False  # the frame is abandoned; the rest of it is skipped

    def feed(self, data: bytes) -> list[bytes]:
        """The datagrams that end in `data`, in order; empty ones, from two ENDs in a row, are ignored."""
        *bodies, rest = data.split(END)
        out = list(self._ended(bodies)) if bodies else []
        self._begin(rest)
        return out

    def _ended(self, bodies: list[bytes]) -> Iterator[bytes]:
        for body in bodies:
            self._begin(body)
            whole, lost = self._begun, self._overlong
            self._begun, self._overlong = b"", False
            datagram = None if lost else unescape(whole)
            if datagram is None or len(datagram) > ROOM:
                self.skipped_bytes += len(whole)
            elif datagram:
                yield datagram

    def _begin(self, part: bytes) -> None:
        """`part` continues the frame that has begun."""
        if self._overlong or len(self._begun) + len(part) > FRAME_MAX:
            self.skipped_bytes += len(self._begun) + len(part)
            self._begun, self._overlong = b"", True
        else:
            self._begun += part


class SlipLine(SerialLine):
    """A serial line as a link: datagrams, opened again without end. A lost line discards a half received one."""

    stream = False

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._decoder = Decoder()
        self._raw = Batch(1)
        self._come: deque[bytes] = deque()  # datagrams of the last read that are not in a batch yet
        self._came_at = 0.0  # the earliest time of their arrival, on `clock.now`

    def receive_into(self, batch: Batch, now: float) -> int:
        batch.clear()
        oldest = 0.0
        while not batch.full:
            if self._come:
                oldest = max(oldest, clock.now() - self._came_at)
            while self._come and not batch.full:
                batch.append(self._come.popleft())
            if self._come or not self._read(now):
                break
        batch.waited(oldest)
        self.counters.rx_datagrams += batch.count
        return batch.count

    def tick_within_s(self) -> float:
        return TICK_S

    def _read(self, now: float) -> int:
        """Read once, a slot at most; how many bytes came."""
        came = super().receive_into(self._raw, now)
        if not came:
            return 0
        self._came_at = clock.now() - self._raw.oldest
        self.counters.rx_datagrams -= came  # counted as a read of a stream; here a datagram counts
        self._come.extend(self._decoder.feed(bytes(self._raw.view(0))))
        self.counters.resync_bytes += self._decoder.skipped_bytes
        self._decoder.skipped_bytes = 0
        return int(self._raw.lengths[0])

    def _frames(self, batch: Batch) -> Iterable[bytes]:
        return map(encode, batch.datagrams())

    def _connected(self, line: Line, now: float, since: float | None = None) -> None:
        self._decoder = Decoder()
        super()._connected(line, now, since)
