"""Direct: lets code in C (gateway/native) read from a UDP socket and send by it, as long as nothing has to be decided.

What lives here: what that code needs to know, taking back what it read and left to Python, and counting what it did. What
must not: what a plain case is for the protocol, and keys.

C reads into the structures of the mover, which is aimed at the batch of the next `receive_into`, so what it leaves is where
`receive_into` would have put it.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

from gateway.batch import Batch
from gateway.endpoints.age import Age
from gateway.endpoints.endpoint import Counters
from gateway.endpoints.mmsg import Mmsg, Mover, Peer


class Source(NamedTuple):
    """A socket whose next read can be made in C.

    `messages`  the address of its struct mmsghdr, `capacity` of them, and `control` bytes of room each for control data
    `name`      the one sender whose datagrams are plain, a raw struct sockaddr
    `since`     nothing that waits came before this time, on `clock.now`
    `until`     from this time on the sender has to be checked again
    `rows`      where a message goes on that is larger than a slot, `row_size` bytes each; 0 if there is none
    """

    fd: int
    messages: int
    capacity: int
    control: int
    name: bytes
    since: float
    until: float
    rows: int
    row_size: int


class Target(NamedTuple):
    """A socket, and the raw struct sockaddr to send to. `opening`: another one if a later socket has the same number."""

    fd: int
    opening: int
    name: bytes


class Left(NamedTuple):
    """What C read and left: `messages`, those from byte `at` of `row` on; size of the datagrams in each, or 0.

    `since`: a time before the read. What came after it may wait in the socket.
    """

    since: float
    messages: int
    row: int = 0
    at: int = 0
    sizes: Sequence[int] = ()


class Direct:
    """A part of the UDP endpoints."""

    counters: Counters
    _mover: Mover | None
    _age: Age
    _stamped: bool
    _heard_at: float
    _read_at: float | None  # of data that C has read and left: a time before it was read
    connection: int
    waiting: bool

    def source(self, batch: Batch, name: Peer | None, until: float) -> Source | None:
        """How to read datagrams of `name` into `batch`; None if the next read is not plain."""
        mover = self._mover
        if not isinstance(mover, Mmsg) or self._is_pythons(mover) or not isinstance(name, bytes):
            return None
        if (checked := self.accepted_until(name)) is None:
            return None
        place = mover.place(batch)
        return Source(*place[:2], batch.capacity, place[2], name, self._age.since, min(until, checked), *place[3:])

    def targets(self) -> list[Target] | None:
        """Where `send` sends to; None if that is not plain."""
        mover, peers = self._mover, self._receivers()
        if not isinstance(mover, Mmsg) or peers is None:
            return None
        return [Target(mover.fd, self.connection, peer) for peer in peers if isinstance(peer, bytes)]

    def accepted_until(self, name: bytes) -> float | None:  # noqa: ARG002 - of some kinds each sender is accepted
        """Until when datagrams of this sender are accepted without a further check; None if one is due."""
        return float("inf")

    def way(self) -> object:
        """What is another one when `source` or `targets` has to be asked again. Each turn asks for it."""
        return self._mover, self._receivers()

    def reread(self) -> float | None:
        """`Source.since` of the next read; None if that is not plain."""
        mover = self._mover
        if not isinstance(mover, Mmsg) or self._is_pythons(mover):
            return None
        mover.renew()
        return self._age.since

    def _is_pythons(self, mover: Mover) -> bool:
        """Whether the next read is, because C has left something, or a part of a message waits, or ages are needed."""
        return self._read_at is not None or mover.waiting or self._stamped

    def only_sender(self) -> Peer | None:
        """The one sender of the last read; None if there were several."""
        return self._mover.only if self._mover is not None else None

    def take_back(self, batch: Batch, left: Left) -> None:
        """The next `receive_into` with `batch` returns what C has left. Until then it is `waiting`: no poll reports it."""
        if isinstance(self._mover, Mmsg):
            self.waiting = True
            self._read_at, messages, row, at, sizes = left
            self._mover.take_back(batch, messages, row, at, sizes)

    def was_read(self, datagrams: int, size: int, name: Peer, since: float, now: float) -> None:
        """C has read so much from this sender, and all that waited at the time `since`."""
        self.counters.rx_datagrams += datagrams
        self.counters.rx_bytes += size
        self._age.was_read(since)
        if datagrams:
            self._heard_at = now
            self._heard(name, now)

    def was_sent(self, datagrams: int, size: int, dropped: int, error: int, now: float) -> None:
        """C has sent and dropped so much; `error` is the errno of the last failure, or 0."""
        self.counters.tx_datagrams += datagrams
        self.counters.tx_bytes += size
        self.counters.dropped_tx += dropped
        if error:
            self._failed(error, now)

    def read_failed(self, error: int, now: float) -> None:
        """C could not read."""
        self._lost(OSError(error, os.strerror(error)), now)

    # --- for the kinds of endpoints ---

    @abstractmethod
    def _lost(self, error: OSError, now: float) -> None:
        """It is broken: close it, and try again later."""

    def _receivers(self) -> list[Peer] | None:
        """The peers that `send` sends to; None if that is not plain."""
        return None

    def _heard(self, name: Peer, now: float) -> None:
        """Datagrams of this accepted sender came."""

    def _failed(self, error: int, now: float) -> None:
        """Sending failed."""
