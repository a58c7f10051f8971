"""Batch: the unit of the data path. Up to 64 datagrams handled together.

What lives here: one preallocated arena of equal slots, and the position of each datagram in its slot.
What must not: sockets, keys, the protocol. This module imports nothing of ours.

A datagram arrives at offset `HEADROOM` of its slot. Sealing writes a header before it and a tag after it,
and opening strips both, so neither direction ever copies a datagram:

    slot   | headroom | datagram ........ | tailroom |
             ^start (moves)    length (moves)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

CAPACITY = 64  # datagrams in a batch; also the kernel's limit for one UDP GSO send (UDP_MAX_SEGMENTS)
SLOT_SIZE = 2048
HEADROOM = 32  # an SFrame header is at most 17 bytes (RFC 9605 section 4.3)
TAG_SIZE = 16  # of AES-GCM
TAILROOM = 32  # for the tag
VIEWS_MAX = 2048  # kept per batch; some 500 kB, if every size comes in every slot
ROOM = SLOT_SIZE - HEADROOM - TAILROOM  # the largest datagram that fits a slot: 1,984 bytes
AGED_S = 0.15  # a datagram that has waited less before it was read counts as having just arrived
NUMBERS = np.arange(CAPACITY, dtype=np.int64)  # of all slots
SLOTS = NUMBERS * SLOT_SIZE  # the begin of each slot in the arena


class _Views(dict[int, tuple[memoryview, memoryview]]):
    """Pieces of an arena by `offset * SLOT_SIZE + length`, made when first needed: plain, and with room for the tag.

    Most datagrams of a video have one size, and making a piece costs a tenth of sealing its content.
    """

    def __init__(self, arena: memoryview) -> None:
        super().__init__()
        self._arena = arena

    def __missing__(self, place: int) -> tuple[memoryview, memoryview]:
        if len(self) >= VIEWS_MAX:
            self.clear()
        offset, length = divmod(place, SLOT_SIZE)
        end = offset + length
        made = self[place] = self._arena[offset:end], self._arena[offset : end + TAG_SIZE]
        return made


class Batch:
    """`capacity` slots of `SLOT_SIZE` bytes.

    `address`  the begin of the slots in memory, for system calls
    `arena`    memoryview of all slots, writable, `capacity * SLOT_SIZE` bytes
    `octets`   the same memory as a NumPy array, shape (capacity, SLOT_SIZE), uint8
    `starts`   int64 (capacity,): offset of each datagram inside its slot
    `lengths`  int64 (capacity,): length of each datagram in bytes
    `count`    how many of the slots hold a datagram
    `oldest`   the most seconds that any datagram can have waited before it was read
    `ages`     float64 (capacity,): the same of each; only if `oldest` is AGED_S or more
    `sure`     float64 (capacity,): seconds that each had waited for certain; as `ages`, or 0 if unknown
    """

    __slots__ = (
        "_views",
        "address",
        "ages",
        "arena",
        "capacity",
        "count",
        "lengths",
        "octets",
        "oldest",
        "starts",
        "sure",
    )

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.capacity = capacity
        self.octets: npt.NDArray[np.uint8] = np.zeros((capacity, SLOT_SIZE), np.uint8)
        self.arena = self.octets.reshape(-1).data
        self.address = int(self.octets.ctypes.data)
        self.starts = np.full(capacity, HEADROOM, np.int64)
        self.lengths = np.zeros(capacity, np.int64)
        self.count = 0
        self.oldest = 0.0
        self.ages, self.sure = np.zeros(capacity), np.zeros(capacity)
        self._views = _Views(self.arena)

    @property
    def full(self) -> bool:
        return self.count == self.capacity

    def clear(self) -> None:
        """Forget the datagrams; every slot is free again and its datagram begins at `HEADROOM`."""
        self.count = 0
        self.oldest = 0.0
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

    def hold(self, datagrams: Iterable[bytes | memoryview]) -> None:
        """Clear, and `append` each of these."""
        self.clear()
        for datagram in datagrams:
            self.append(datagram)

    def refill(self, datagrams: Sequence[bytes | memoryview]) -> Iterator[Batch]:
        """Hold these, as many at a time as there are slots. What comes out is this batch, each time with the next."""
        for begin in range(0, len(datagrams), self.capacity):
            self.hold(datagrams[begin : begin + self.capacity])
            yield self

    def copy_from(self, other: Batch, slots: Sequence[int] | npt.NDArray[np.int64]) -> None:
        """Become a copy of these `slots` of `other`, in that order."""
        self.count = len(slots)
        chosen = np.asarray(slots, np.int64)
        for mine, theirs in ((self.octets, other.octets), (self.starts, other.starts), (self.lengths, other.lengths)):
            mine[: self.count] = theirs[chosen]
        self.oldest = other.oldest
        if self.oldest >= AGED_S:
            self.ages[: self.count], self.sure[: self.count] = other.ages[chosen], other.sure[chosen]

    def keep(self, slots: Sequence[int] | npt.NDArray[np.int64]) -> None:
        """Drop the datagrams of all other slots; the others keep their order."""
        self.copy_from(self, slots)

    def waited(
        self,
        oldest: float,
        ages: npt.NDArray[np.float64] | None = None,
        sure: npt.NDArray[np.float64] | None = None,
    ) -> None:
        """Record how long the datagrams had waited before they were read.

        Without `ages` this is unknown: none of them longer than the oldest, and perhaps not at all. Without `sure`, `ages`
        are certain.
        """
        self.oldest = oldest
        if oldest >= AGED_S:
            self.ages[: self.count] = oldest if ages is None else ages
            self.sure[: self.count] = sure if sure is not None else 0.0 if ages is None else ages

    def age(self, index: int) -> float:
        """The most seconds that the datagram in slot `index` can have waited before it was read; 0 if it has just arrived.

        With this value no frame counts as younger than it is.
        """
        return float(self.ages[index]) if self.oldest >= AGED_S else 0.0

    def sure_age(self, index: int) -> float:
        """Seconds that it had waited for certain; 0 if unknown. So no beat counts as earlier than it arrived."""
        return float(self.sure[index]) if self.oldest >= AGED_S else 0.0

    def leave_out_late(self, limit: float) -> int:
        """Drop datagrams that had waited longer than `limit` seconds, which is at least AGED_S; how many."""
        if self.oldest <= limit:
            return 0
        before = self.count
        self.keep(np.flatnonzero(self.ages[:before] <= limit))
        return before - self.count

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

    def cut(self, offsets: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> list[tuple[memoryview, memoryview]]:
        """From each of `offsets` in the arena, `lengths` bytes without and with a tag after them; not copied."""
        return [self._views[place] for place in (offsets * SLOT_SIZE + lengths).tolist()]

    def datagrams(self) -> list[bytes]:
        """Copies of all datagrams, in order: for frames, control, byte streams."""
        begins, lengths = self.offsets().tolist(), self.lengths[: self.count].tolist()
        return [bytes(self.arena[begin : begin + length]) for begin, length in zip(begins, lengths, strict=True)]

    def offsets(self) -> npt.NDArray[np.int64]:
        """Offset in `arena` of each of the `count` datagrams, int64 (count,)."""
        return SLOTS[: self.count] + self.starts[: self.count]
