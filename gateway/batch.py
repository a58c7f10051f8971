"""Batch: the unit of the data path. Up to 64 datagrams handled together.

What lives here: one preallocated arena of equal slots, and the position of each datagram in its slot.
What must not: sockets, keys, the protocol. This module imports nothing of ours.

A datagram arrives at offset `HEADROOM` of its slot. Sealing writes a header before it and a tag after it,
and opening strips both, so neither direction ever copies a datagram:

    slot   | headroom | datagram ........ | tailroom |
             ^start (moves)    length (moves)
"""

from __future__ import annotations

from array import array
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
FEW = 16  # datagrams; up to so many, a loop of Python costs less than NumPy (bench/crossing.py)
NUMBERS = np.arange(CAPACITY, dtype=np.int64)  # of all slots
FIRST = [NUMBERS[:count] for count in range(CAPACITY + 1)]  # the first slots, by their number
SLOTS = NUMBERS * SLOT_SIZE  # the begin of each slot in the arena


def as_index(slots: Sequence[int]) -> slice | npt.NDArray[np.int64]:
    """What to index arrays with: a slice where the slots are consecutive, since indexing with an array copies."""
    if not slots:
        return NUMBERS[:0]
    begin, end = slots[0], slots[-1] + 1
    return slice(begin, end) if end - begin == len(slots) else np.array(slots, np.int64)


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
    `start_at`, `length_at`  the same two as memoryviews, for one slot at a time: their items are Python's integers
    `count`    how many of the slots hold a datagram
    `few`      up to so many datagrams are handled by a loop of Python, more of them by NumPy
    `oldest`   the most seconds that any datagram can have waited before it was read
    `ages`     float64 (capacity,): the same of each; only if `oldest` is AGED_S or more
    `sure`     float64 (capacity,): seconds that each had waited for certain; as `ages`, or 0 if unknown
    """

    __slots__ = (
        "_begin",
        "_views",
        "address",
        "ages",
        "arena",
        "capacity",
        "count",
        "few",
        "length_at",
        "lengths",
        "octets",
        "oldest",
        "start_at",
        "starts",
        "sure",
    )

    def __init__(self, capacity: int = CAPACITY, few: int = FEW) -> None:
        self.capacity, self.few = capacity, few
        self.octets: npt.NDArray[np.uint8] = np.zeros((capacity, SLOT_SIZE), np.uint8)
        self.arena = self.octets.reshape(-1).data
        self.address = int(self.octets.ctypes.data)
        self._begin = memoryview(array("q", [HEADROOM] * capacity))
        self.start_at = memoryview(array("q", self._begin))
        self.length_at = memoryview(array("q", [0] * capacity))
        self.starts = np.frombuffer(self.start_at, np.int64)
        self.lengths = np.frombuffer(self.length_at, np.int64)
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
        self.start_at[:] = self._begin

    def append(self, datagram: bytes | bytearray | memoryview) -> None:
        """Copy one datagram into the next slot. ValueError if it is larger than `ROOM`, IndexError if full."""
        size = len(datagram)
        if size > ROOM:
            raise ValueError(f"a datagram of {size} bytes does not fit a slot of {ROOM}")
        if self.full:
            raise IndexError("the batch is full")
        at = self.count * SLOT_SIZE + HEADROOM
        self.arena[at : at + size] = datagram
        self.start_at[self.count] = HEADROOM
        self.length_at[self.count] = size
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
        if self.count <= self.few and self is not other and other.oldest < AGED_S:
            self.oldest = other.oldest
            for row, slot in enumerate(slots):
                start, length = other.start_at[slot], other.length_at[slot]
                mine, theirs = row * SLOT_SIZE + start, slot * SLOT_SIZE + start
                self.arena[mine : mine + length] = other.arena[theirs : theirs + length]
                self.start_at[row], self.length_at[row] = start, length
            return
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
        return sum(self.length_at[: self.count])

    def longest(self) -> int:
        """Bytes in the longest datagram; 0 if there is none."""
        return max(self.length_at[: self.count], default=0)

    def view(self, index: int) -> memoryview:
        """The datagram in slot `index`, not copied: valid until the batch is filled again."""
        at = index * SLOT_SIZE + self.start_at[index]
        return self.arena[at : at + self.length_at[index]]

    def heads(self, size: int) -> list[bytes]:
        """The first `size` bytes of each slot from `HEADROOM` on."""
        if self.count <= self.few:
            begins = range(HEADROOM, self.count * SLOT_SIZE, SLOT_SIZE)
            return [self.arena[begin : begin + size].tobytes() for begin in begins]
        heads = np.ascontiguousarray(self.octets[: self.count, HEADROOM : HEADROOM + size])
        listed: list[bytes] = heads.view(f"V{size}").ravel().tolist()
        return listed

    def pieces(self, slots: Sequence[int], begin: int, less: int = 0) -> list[tuple[memoryview, memoryview]]:
        """Of each slot, from `begin` on, `less` bytes fewer than its length; without and with a tag, not copied."""
        views = self._views
        if len(slots) <= self.few:
            lengths = self.length_at
            return [views[(slot * SLOT_SIZE + begin) * SLOT_SIZE + lengths[slot] - less] for slot in slots]
        index = as_index(slots)
        return [views[place] for place in ((SLOTS[index] + begin) * SLOT_SIZE + self.lengths[index] - less).tolist()]

    def shift(self, slots: Sequence[int], start: int, longer: int) -> None:
        """The datagram of each slot begins at `start` now, and is `longer` by so many bytes."""
        if len(slots) <= self.few:
            for slot in slots:
                self.start_at[slot] = start
                self.length_at[slot] += longer
            return
        index = as_index(slots)
        self.starts[index] = start
        self.lengths[index] += longer

    def datagrams(self) -> list[bytes]:
        """Copies of all datagrams, in order: for frames, control, byte streams."""
        return [bytes(self.view(index)) for index in range(self.count)]

    def offsets(self) -> npt.NDArray[np.int64]:
        """Offset in `arena` of each of the `count` datagrams, int64 (count,)."""
        return SLOTS[: self.count] + self.starts[: self.count]
