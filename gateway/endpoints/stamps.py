"""Stamps: when each datagram came into the system, as recvmmsg(2) can tell it beside the datagram.

The system stamps all that comes to a socket (SO_TIMESTAMPING), and tells it only while it is asked to (SO_TIMESTAMPNS,
socket(7)), for that costs a third of a read. What lives here: asking, where the system puts what it tells, and reading it
for one datagram or for all. What must not: what follows from it (age.py). The structures are those of 64-bit Linux:

    struct cmsghdr { size_t len; int level; int type; } and struct timespec { long seconds; long nanoseconds; }   32 bytes
"""

from __future__ import annotations

import contextlib
import socket

import numpy as np
import numpy.typing as npt

from gateway.batch import CAPACITY

SO_TIMESTAMPNS, SO_TIMESTAMPING = 35, 37
RX_SOFTWARE = 1 << 3  # SOF_TIMESTAMPING_RX_SOFTWARE: stamp, and do not tell
STAMP_SIZE, SECONDS, NANOSECONDS = 32, 2, 3  # bytes with its head, and which words of 8 bytes say when


class Stamps:
    """Of one socket. `more`: bytes that the system tells beside a stamp; `told` is where, with stamps and without.

    `controls`, `controllens`: the fields of the messages to be read that say where there is room for that, and how much.
    """

    def __init__(
        self,
        sock: socket.socket,
        controls: npt.NDArray[np.uint64],
        controllens: npt.NDArray[np.uint64],
        more: int = 0,
    ) -> None:
        self._socket, self._lengths = sock, controllens
        self._octets = np.zeros((CAPACITY, STAMP_SIZE + more), np.uint8)
        controls[:] = self._octets.ctypes.data + np.arange(CAPACITY) * self._octets.shape[1]
        self._words = self._octets.view(np.int64)
        self._more = more
        self.told = {True: self._octets[:, STAMP_SIZE:], False: self._octets[:, :more]}
        self.asked = False
        self._has_them = self._set(SO_TIMESTAMPING, RX_SOFTWARE)
        self.renew()

    def _set(self, option: int, value: int) -> bool:
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, option, value)
            return True
        return False

    def ask(self, wanted: bool) -> bool:
        """Have the next reads tell stamps, or not; whether they will."""
        if wanted != self.asked and self._has_them and self._set(SO_TIMESTAMPNS, wanted):
            self.asked = wanted
            self.renew()
        return self.asked

    def renew(self) -> None:
        """Before a read, if the last one may have used a part of the room; the system notes how much of it."""
        self._lengths[:] = self._octets.shape[1] if self.asked else self._more

    def each(self, rows: slice | npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Those of these messages of the last read, in Unix seconds."""
        words = self._words[rows]
        seconds: npt.NDArray[np.float64] = words[:, SECONDS] + words[:, NANOSECONDS] * 1e-9
        return seconds
