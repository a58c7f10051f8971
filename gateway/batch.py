"""Batch: the unit of the data path. Up to 64 datagrams handled together.

What lives here: one preallocated arena of equal slots, and where in its slot each datagram stands.
What must not: sockets, keys, the protocol. This module imports nothing of ours.

A datagram arrives at offset `HEADROOM` of its slot. Sealing writes a header in front of it and a tag behind it,
opening strips both, so neither direction ever copies a datagram:

    slot   | headroom | datagram ........ | tailroom |
             ^start (moves)    length (moves)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

CAPACITY = 64  # datagrams in a batch; also the kernel's limit for one UDP GSO send (UDP_MAX_SEGMENTS)
SLOT_SIZE = 2048
HEADROOM = 32  # an SFrame header is at most 17 bytes (RFC 9605 section 4.3)
TAILROOM = 32  # an AES-GCM tag is 16 bytes
ALIKE_FROM = 8  # so many datagrams of one size are worth keeping their views for the next batch
ALIKE_MAX = 16  # sizes whose views are kept
ROOM = SLOT_SIZE - HEADROOM - TAILROOM  # the largest datagram that a slot takes in: 1,984 bytes


class Batch:
    """`capacity` slots of `SLOT_SIZE` bytes.

    `address`  where the slots begin in memory, for system calls
    `arena`    memoryview of all slots, writable, `capacity * SLOT_SIZE` bytes
    `octets`   the same memory as a NumPy array, shape (capacity, SLOT_SIZE), uint8
    `starts`   int64 (capacity,): offset of each datagram inside its slot
    `lengths`  int64 (capacity,): length of each datagram in bytes
    `count`    how many of the slots hold a datagram
    """

    __slots__ = ("_columns", "address", "arena", "capacity", "count", "lengths", "octets", "starts")

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.capacity = capacity
        self.octets: npt.NDArray[np.uint8] = np.zeros((capacity, SLOT_SIZE), np.uint8)
        self.arena = self.octets.reshape(-1).data
        self.address = int(self.octets.ctypes.data)
        self.starts = np.full(capacity, HEADROOM, np.int64)
        self.lengths = np.zeros(capacity, np.int64)
        self.count = 0
        self._columns: dict[tuple[int, int], list[memoryview]] = {}

    @property
    def full(self) -> bool:
        return self.count == self.capacity

    def clear(self) -> None:
        """Forget the datagrams; every slot is free again and its datagram begins at `HEADROOM`."""
        self.count = 0
        self.starts[:] = HEADROOM

    def append(self, datagram: bytes | bytearray | memoryview) -> None:
        """Copy one datagram into the next slot. ValueError if it is larger than `ROOM`, IndexError if full."""
        size = len(datagram)
        if size > ROOM:
            raise ValueError(f"a datagram of {size} bytes does not fit a slot of {ROOM}")
        if self.full:
            raise IndexError("the batch is full")
        at = self.count * SLOT_SIZE + HEADROOM
        self.arena[at : at + size] = datagram
        self.starts[self.count] = HEADROOM
        self.lengths[self.count] = size
        self.count += 1

    def take(self, other: Batch, slots: Sequence[int] | npt.NDArray[np.int64]) -> None:
        """Become a copy of these `slots` of `other`, in that order."""
        self.count = len(slots)
        chosen = np.asarray(slots, np.int64)
        for mine, theirs in ((self.octets, other.octets), (self.starts, other.starts), (self.lengths, other.lengths)):
            mine[: self.count] = theirs[chosen]

    def keep(self, slots: Sequence[int] | npt.NDArray[np.int64]) -> None:
        """Drop the datagrams of all other slots; what stays keeps its order."""
        self.take(self, slots)

    def total(self) -> int:
        """Bytes in all datagrams."""
        return sum(self.lengths[: self.count].tolist())  # at this size faster than NumPy's own

    def longest(self) -> int:
        """Bytes in the longest datagram; 0 if there is none."""
        return max(self.lengths[: self.count].tolist(), default=0)

    def view(self, index: int) -> memoryview:
        """The datagram in slot `index`, not copied: valid until the batch is filled again."""
        at = index * SLOT_SIZE + int(self.starts[index])
        return self.arena[at : at + int(self.lengths[index])]

    def spans(self, slots: Sequence[int], begins: Sequence[int], lengths: Sequence[int]) -> list[memoryview]:
        """Of each slot the bytes from `begins` on, `lengths` many; not copied.

        Most of a video is datagrams of one size, and making a view costs a tenth of sealing what it shows.
        """
        if len(slots) >= ALIKE_FROM and len(set(begins)) == 1 and len(set(lengths)) == 1:
            column = self._column(begins[0], lengths[0])
            return [column[slot] for slot in slots]
        arena, offsets = self.arena, [slot * SLOT_SIZE + begin for slot, begin in zip(slots, begins, strict=True)]
        return [arena[offset : offset + length] for offset, length in zip(offsets, lengths, strict=True)]

    def _column(self, begin: int, length: int) -> list[memoryview]:
        column = self._columns.get((begin, length))
        if column is None:
            if len(self._columns) >= ALIKE_MAX:
                self._columns.clear()
            ends = range(begin + length, begin + length + self.capacity * SLOT_SIZE, SLOT_SIZE)
            column = self._columns[begin, length] = [self.arena[end - length : end] for end in ends]
        return column

    def datagrams(self) -> list[bytes]:
        """Copies of all datagrams, in order; for what is slow anyway: control, byte streams."""
        return [bytes(self.view(index)) for index in range(self.count)]

    def offsets(self) -> npt.NDArray[np.int64]:
        """Offset in `arena` of each of the `count` datagrams, int64 (count,)."""
        return np.arange(self.count, dtype=np.int64) * SLOT_SIZE + self.starts[: self.count]
