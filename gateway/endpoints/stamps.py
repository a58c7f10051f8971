"""Stamps: the time at which each datagram came into the system, which recvmmsg(2) can return with the datagram.

The system stamps each datagram of a socket (SO_TIMESTAMPING), and returns the timestamp only while this is switched on
(SO_TIMESTAMPNS, socket(7)), because that costs a third of a read. What lives here: the switch, the layout of the returned
data, and reading it for one datagram or for all. What must not: decisions (age.py). The structures are those of 64-bit
Linux:

    struct cmsghdr { size_t len; int level; int type; } and struct timespec { long seconds; long nanoseconds; }   32 bytes
"""

from __future__ import annotations

import contextlib
import socket

import numpy as np
import numpy.typing as npt

from gateway.batch import CAPACITY
from gateway.endpoints.vector import CONTROL, CONTROLLEN, MESSAGE_WORDS

SO_TIMESTAMPNS, SO_TIMESTAMPING = 35, 37
RX_SOFTWARE = 1 << 3  # SOF_TIMESTAMPING_RX_SOFTWARE: stamp, and do not return it
STAMP_SIZE, SECONDS, NANOSECONDS = 32, 2, 3  # bytes with its head, and the words of 8 bytes that hold the time


class Stamps:
    """The timestamps of one socket. `more`: bytes of other data that the system returns; `told` is their position.

    `headers`: the words of the messages, `MESSAGE_WORDS` each; two hold the address and the size of the room for this data.
    `told`: all that the system returns, in `row` words for each message; other data begins at `told_at` of them.
    """

    def __init__(self, sock: socket.socket, headers: memoryview, more: int = 0) -> None:
        self._socket, self._headers = sock, headers
        self._octets = np.zeros((CAPACITY, STAMP_SIZE + more), np.uint8)
        self._words = self._octets.view(np.int64)
        self.told, self.row = self._words.reshape(-1).data, self._words.shape[1]
        self.told_at = 0
        self._more = more
        self.asked = False
        self.exist = self._set(SO_TIMESTAMPING, RX_SOFTWARE)
        for number in range(CAPACITY):
            headers[number * MESSAGE_WORDS + CONTROL] = self._octets.ctypes.data + number * self._octets.shape[1]
        self.renew(CAPACITY)

    def _set(self, option: int, value: int) -> bool:
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, option, value)
            return True
        return False

    def ask(self, wanted: bool) -> bool:
        """Switch the timestamps of the next reads on or off; whether they are on."""
        if wanted != self.asked and self.exist and self._set(SO_TIMESTAMPNS, wanted):
            self.asked, self.told_at = wanted, STAMP_SIZE // 8 * wanted
            self._octets[:] = 0
            self.renew(CAPACITY)
        return self.asked

    def renew(self, used: int) -> None:
        """Call it before a read; the last one used the room of so many messages, and the system overwrote their sizes."""
        size = self._octets.shape[1] if self.asked else self._more
        for at in range(CONTROLLEN, used * MESSAGE_WORDS, MESSAGE_WORDS):
            self._headers[at] = size

    def each(self, rows: slice | npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """The timestamps of these messages of the last read, in Unix seconds."""
        words = self._words[rows]
        seconds: npt.NDArray[np.float64] = words[:, SECONDS] + words[:, NANOSECONDS] * 1e-9
        return seconds
