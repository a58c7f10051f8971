"""Datagrams that do not fit one slot each: many that arrive as one piece (gro.py), or one that is larger than a slot.

What lives here: `Pieces`, which receives both and copies them into slots, and `Large`, for one that is larger. What must
not: sending (mmsg.py).

A datagram that comes alone and fits is read into its slot, and costs no more than without this. The first bytes of a larger
message are read into the slot, the rest into a row of our own, from which it is copied into slots. Parts beyond the batch
wait for the next one: check `waiting` before sleeping.
"""

from __future__ import annotations

import socket
from abc import abstractmethod
from collections import deque
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gateway.batch import CAPACITY, FIRST, HEADROOM, ROOM, Batch
from gateway.endpoints.mmsg import DATAGRAM_MAX, Mmsg, Mover, OneByOne, Peer, new_mover
from gateway.endpoints.vector import IOVEC

PIECES = 4  # received at a time: 256 kB, which fits the cache of a small board


class Pieces(Mmsg):
    """A Mover that splits received messages, and sends like `Mmsg`."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.waiting = False
        self._rows = np.zeros((CAPACITY, ROOM + DATAGRAM_MAX), np.uint8)  # the system gives memory only to those in use
        self._iov = np.zeros((CAPACITY, 2), IOVEC)
        self._iov["base"][:, 1] = self._rows.ctypes.data + ROOM + np.arange(CAPACITY) * self._rows.shape[1]
        self._iov["len"] = ROOM, DATAGRAM_MAX
        self._in.base = self._iov["base"][:, 0]
        self._in.iovs[:] = self._iov.ctypes.data + np.arange(CAPACITY) * 2 * IOVEC.itemsize
        self._in.iovlens[:] = 2
        self._most = CAPACITY
        self._left: deque[tuple[int, int, int, int]] = deque()  # row, position in it, bytes, size of a slot's part
        self._from = np.arange(0)  # for each slot of the last `receive`, its message

    @abstractmethod
    def _read(self, batch: Batch, most: int) -> list[int] | None:
        """`_receive`; for each message the size of its parts, 0 if it is not split. None: no message is split."""

    def receive(self, batch: Batch) -> int:
        if self._left:
            self.emptied = False  # nothing is read now
        elif self._take_in(batch):
            return batch.count
        sources: list[int] = []
        while self._left and not batch.full:
            row, at, left, size = self._left.popleft()
            count = min(batch.capacity - batch.count, -(-left // size) if size else 1)
            taken = min(left, count * size)
            self._lay(batch, self._rows[row, at : at + taken], size)
            sources += [row] * count
            if left > taken:
                self._left.appendleft((row, at + taken, left - taken, size))
        self._from = np.array(sources, np.int64)
        self.waiting = bool(self._left)
        self.emptied &= not self.waiting
        return batch.count

    def _take_in(self, batch: Batch) -> bool:
        """Whether all datagrams came alone, and are in the slots of `batch`."""
        self._stamps.renew(self._count)
        sizes = self._read(batch, min(batch.capacity, self._most))
        lengths = self._in.lengths(self._count)
        if sizes is None:
            self._most = CAPACITY
            self._from = FIRST[self._count]
            batch.count = self._count
            batch.length_at[: self._count] = lengths
            return True
        self._most = PIECES
        self._rows[: self._count, :ROOM] = batch.octets[: self._count, HEADROOM : HEADROOM + ROOM]
        for row, (length, size) in enumerate(zip(lengths.tolist(), sizes, strict=True)):
            self._left.append((row, 0, length, size or length))
        return False

    def place(self, batch: Batch) -> tuple[int, int, int, int, int]:
        return *super().place(batch)[:3], self._rows.ctypes.data, self._rows.shape[1]

    def take_back(self, batch: Batch, count: int, row: int, at: int, sizes: Sequence[int]) -> None:
        """Of `count` messages that C has read, those from `row` on are left, the first of them from byte `at` on."""
        self._count = count
        self.only = self._only()
        self._rows[row:count, :ROOM] = batch.octets[row:count, HEADROOM : HEADROOM + ROOM]
        for each, length in enumerate(self._in.lengths(count).tolist()):
            if each >= row:
                begin = at if each == row else 0
                self._left.append((each, begin, length - begin, sizes[each] or length))
        self.waiting = bool(self._left)

    def _lay(self, batch: Batch, octets: npt.NDArray[np.uint8], size: int) -> None:
        """Parts of `size` bytes, the last of which may be shorter, into the next slots."""
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
        if self._left:  # nothing is read next, and the present data keeps its timestamps
            return self._stamps.asked
        return super().ask(wanted)

    def stamps(self) -> npt.NDArray[np.float64]:
        """Each part is as old as the first datagram of its message."""
        return self._stamps.each(self._from)

    def senders(self, slots: npt.NDArray[np.int64]) -> list[Peer]:
        return super().senders(self._from[slots])

    def sent_by(self, peer: Peer) -> npt.NDArray[np.bool_]:
        by: npt.NDArray[np.bool_] = super().sent_by(peer)[self._from]
        return by


class Large(Pieces):
    """A datagram that is larger than a slot fills several slots."""

    def _read(self, batch: Batch, most: int) -> list[int] | None:
        lengths = self._in.lengths(self._receive(batch, most)).tolist()
        return [ROOM * (length > ROOM) for length in lengths] if max(lengths, default=0) > ROOM else None


def new_large_mover(sock: socket.socket) -> Mover:
    """A Mover that receives datagrams of every size."""
    return Large(sock) if new_mover is Mmsg else OneByOne(sock, large=True)
