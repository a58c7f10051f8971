"""Datagrams that come as one: where sender and system allow it, a link's datagrams of one size arrive in one piece.

What lives here: `Gro`, which takes such pieces apart (UDP_GRO, udp(7)). What must not: sending, which is mmsg.py's.

A datagram that comes alone lands in its slot, and costs no more than without this. Of a piece the first bytes land there,
the rest in a row of our own; from there its datagrams are copied into slots, which costs a tenth of the way through the
system that they saved. What the batch does not hold waits for the next one: `waiting` has to be asked before one sleeps.
"""

from __future__ import annotations

import socket
from collections import deque

import numpy as np
import numpy.typing as npt

from gateway.batch import CAPACITY, HEADROOM, NUMBERS, ROOM, Batch
from gateway.endpoints.mmsg import CMSG, DATAGRAM_MAX, IOVEC, SOL_UDP, Mmsg, Mover, Peer, new_mover

UDP_GRO = 104
PIECES = 4  # taken in at a time while they come: 256 kB, which a small board's cache still holds


class Gro(Mmsg):
    """A Mover that takes in many datagrams as one piece, and sends as `Mmsg` does. OSError if the system has no UDP_GRO."""

    _more_control = CMSG.itemsize  # the size of the datagrams in a piece

    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(SOL_UDP, UDP_GRO, 1)
        super().__init__(sock)
        self.waiting = False
        self._rows = np.zeros((CAPACITY, ROOM + DATAGRAM_MAX), np.uint8)  # the system gives memory to those in use only
        self._iov = np.zeros((CAPACITY, 2), IOVEC)
        self._iov["base"][:, 1] = self._rows.ctypes.data + ROOM + np.arange(CAPACITY) * self._rows.shape[1]
        self._iov["len"] = ROOM, DATAGRAM_MAX
        self._in.base = self._iov["base"][:, 0]
        self._in.iovs[:] = self._iov.ctypes.data + np.arange(CAPACITY) * 2 * IOVEC.itemsize
        self._in.iovlens[:] = 2
        self._sizes = {asked: told.view(CMSG)["size"][:, 0] for asked, told in self._stamps.told.items()}
        self._most = CAPACITY
        self._left: deque[tuple[int, int, int, int]] = deque()  # row, where in it, bytes, size of a datagram
        self._from = np.arange(0)  # for each slot of the last `receive`, the message that it came in

    def receive(self, batch: Batch) -> int:
        if self._left:
            self.emptied = False  # nothing is read now
        elif self._take_in(batch):
            return batch.count
        sources: list[int] = []
        while self._left and not batch.full:
            row, at, octets, size = self._left.popleft()
            count = min(batch.capacity - batch.count, -(-octets // size) if size else 1)
            taken = min(octets, count * size)
            self._lay(batch, self._rows[row, at : at + taken], size)
            sources += [row] * count
            if octets > taken:
                self._left.appendleft((row, at + taken, octets - taken, size))
        self._from = np.array(sources, np.int64)
        self.waiting = bool(self._left)
        self.emptied &= not self.waiting
        return batch.count

    def _take_in(self, batch: Batch) -> bool:
        """Whether all that there is came alone, and stands in the slots of `batch`."""
        self._stamps.renew()
        told = self._sizes[self._stamps.asked]
        told[:] = 0
        count = self._receive(batch, min(batch.capacity, self._most))
        lengths, sizes = self._in.lengths[:count], told[:count]
        if not any(sizes.tolist()):
            self._most = CAPACITY
            self._from = NUMBERS[:count]
            batch.lengths[:count] = lengths
            batch.count = count
            return True
        self._most = PIECES
        self._rows[:count, :ROOM] = batch.octets[:count, HEADROOM : HEADROOM + ROOM]
        for row, (length, size) in enumerate(zip(lengths.tolist(), sizes.tolist(), strict=True)):
            self._left.append((row, 0, length, size or length))
        return False

    def _lay(self, batch: Batch, octets: npt.NDArray[np.uint8], size: int) -> None:
        """Datagrams of `size` bytes, the last of which may be shorter, into the next slots."""
        room, whole = min(size, ROOM), len(octets) // size if size else 1
        slots = slice(batch.count, batch.count + whole)
        batch.octets[slots, HEADROOM : HEADROOM + room] = octets[: whole * size].reshape(whole, size)[:, :room]
        batch.lengths[slots] = size
        batch.count += whole
        if rest := len(octets) - whole * size:
            room = min(rest, ROOM)
            batch.octets[batch.count, HEADROOM : HEADROOM + room] = octets[whole * size :][:room]
            batch.lengths[batch.count] = rest
            batch.count += 1

    def ask(self, wanted: bool) -> bool:
        if self._left:  # nothing is read next, and what there is stays as it was told
            return self._stamps.asked
        return super().ask(wanted)

    def stamps(self) -> npt.NDArray[np.float64]:
        """A piece is as old as the first datagram in it."""
        return self._stamps.each(self._from)

    def senders(self, slots: npt.NDArray[np.int64]) -> list[Peer]:
        return super().senders(self._from[slots])

    def sent_by(self, peer: Peer) -> npt.NDArray[np.bool_]:
        by: npt.NDArray[np.bool_] = super().sent_by(peer)[self._from]
        return by


def new_link_mover(sock: socket.socket) -> Mover:
    """`Gro` where the system has it."""
    try:
        return Gro(sock) if new_mover is Mmsg else new_mover(sock)
    except OSError:
        return new_mover(sock)
