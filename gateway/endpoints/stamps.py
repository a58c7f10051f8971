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

SO_TIMESTAMPNS, SO_TIMESTAMPING = 35, 37
RX_SOFTWARE = 1 << 3  # SOF_TIMESTAMPING_RX_SOFTWARE: stamp, and do not return it
STAMP_SIZE, SECONDS, NANOSECONDS = 32, 2, 3  # bytes with its head, and the words of 8 bytes that hold the time


class Stamps:
    """The timestamps of one socket. `more`: bytes of other data that the system returns; `told` is their position.

    `controls`, `controllens`: the fields of the messages that hold the address and the size of the room for this data.
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
        self.exist = self._set(SO_TIMESTAMPING, RX_SOFTWARE)
        self.renew()

    def _set(self, option: int, value: int) -> bool:
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, option, value)
            return True
        return False

    def ask(self, wanted: bool) -> bool:
        """Switch the timestamps of the next reads on or off; whether they are on."""
        if wanted != self.asked and self.exist and self._set(SO_TIMESTAMPNS, wanted):
            self.asked = wanted
            self.renew()
        return self.asked

    def renew(self) -> None:
        """Call it before a read if the last one may have used a part of the room: the system overwrites the size."""
        self._lengths[:] = self._octets.shape[1] if self.asked else self._more

    def each(self, rows: slice | npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """The timestamps of these messages of the last read, in Unix seconds."""
        words = self._words[rows]
        seconds: npt.NDArray[np.float64] = words[:, SECONDS] + words[:, NANOSECONDS] * 1e-9
        return seconds
