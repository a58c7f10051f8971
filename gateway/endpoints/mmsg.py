"""Datagrams between a UDP socket and a batch: one system call for all of them, or one by one if there is no such call.

What lives here: `Mmsg` (recvmmsg(2) and sendmmsg(2), straight into and out of the arena), `OneByOne` (any system that
Python runs on) and the one place that chooses between them. What must not: who gets which datagram (udp.py), datagrams
that do not fit one slot each (pieces.py, gro.py), their time of arrival (stamps.py).

Datagrams of one size go through the system as one and are split at its lower end (UDP_SEGMENT, udp(7)), because most of
the cost of a datagram is its way through the system.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from gateway.batch import CAPACITY, HEADROOM, ROOM, SLOT_SIZE, Batch
from gateway.endpoints.lookup import SockAddr
from gateway.endpoints.stamps import Stamps
from gateway.endpoints.vector import (
    CMSG,
    CMSG_DATA,
    CMSG_WORDS,
    CONTROL,
    CONTROLLEN,
    IOV,
    IOVEC,
    IOVEC_WORDS,
    IOVLEN,
    MESSAGE_WORDS,
    NAME_SIZES,
    Vector,
    words_of,
)

MSG_TRUNC = 0x20  # on reading: return the whole length of a datagram, even of a truncated one
MSG_DONTWAIT = 0x40
DATAGRAM_MAX = 65_535

FULL = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM})  # the rest of the batch would fail too
ONLY_THIS_ONE = frozenset({errno.EMSGSIZE, errno.EPERM, errno.ECONNREFUSED})  # the next datagram may succeed
NOT_AS_ONE = frozenset({errno.EINVAL, errno.EMSGSIZE, errno.EIO, errno.ENOPROTOOPT})  # this system or interface cannot

SOL_UDP, UDP_SEGMENT = 17, 103
SEGMENTS_MAX = 64  # UDP_MAX_SEGMENTS of the kernels in use; newer ones accept 128
AS_ONE_MAX = 65_507  # bytes: what fits a datagram of IPv4

Peer: TypeAlias = Hashable  # the other end, in the form that its mover uses


class Sent(NamedTuple):
    """The result of sending a batch: datagrams and bytes sent, and the errno that stopped the rest, or 0."""

    datagrams: int
    size: int  # bytes
    error: int


class Mover(Protocol):
    """Moves batches through one non-blocking UDP socket.

    `waiting`  there is data that no poll reports
    `emptied`  the last `receive` left nothing
    `can_stamp`  whether `stamps` are to be had
    `only`     the one sender of the last `receive`, which is the usual case; None if there were several or none
    """

    waiting: bool
    emptied: bool
    can_stamp: bool
    only: Peer | None

    def receive(self, batch: Batch) -> int:
        """Fill the slots of an empty batch; how many. A length above ROOM is that of a truncated datagram."""

    def ask(self, wanted: bool) -> bool:
        """Switch timestamps of arrival for the next `receive` on or off; whether they are on."""

    def stamps(self) -> npt.NDArray[np.float64]:
        """The timestamp of each slot of the last `receive`, in Unix seconds, if they were on."""

    def senders(self, slots: npt.NDArray[np.int64]) -> list[Peer]:
        """The senders of the datagrams in these slots of the last `receive`, each once."""

    def sent_by(self, peer: Peer) -> npt.NDArray[np.bool_]:
        """For each slot of the last `receive`, whether it is from `peer`."""

    def send(self, batch: Batch, peer: Peer) -> Sent:
        """Send all datagrams of the batch to `peer`, in order."""

    def peer(self, address: SockAddr) -> Peer:
        """The peer at a socket address."""

    def address(self, peer: Peer) -> SockAddr:
        """The socket address of a peer."""


def receive(fd: int, into: Vector, most: int) -> int:
    """Fill the first of `into`, at most so many; how many. OSError, except those that mean that there is no data."""
    count: int = _recvmmsg(fd, into.at, most, MSG_DONTWAIT | MSG_TRUNC, None)
    if count < 0 and (error := ctypes.get_errno()) not in {errno.EAGAIN, errno.EINTR}:
        raise OSError(error, os.strerror(error))
    return max(count, 0)


class _Runs:
    """Groups datagrams that can be sent as one into one message: all of equal length, but the last may be shorter."""

    def __init__(self, out: Vector) -> None:
        self._out = out
        self._iov = out.iov.ctypes.data
        self._control = np.zeros(CAPACITY, CMSG)
        self._control["len"], self._control["level"], self._control["type"] = 18, SOL_UDP, UDP_SEGMENT
        self._controls = [self._control.ctypes.data + at * CMSG.itemsize for at in range(CAPACITY)]
        self._control_words = words_of(self._control)
        self._longest = AS_ONE_MAX

    def lay(self, lengths: list[int], first: int) -> list[int]:
        """Make the messages of all datagrams from `first` on; how many each of them holds."""
        counts, words = self._counts(lengths[first:] if first else lengths), self._out.words
        at = first
        for number, count in enumerate(counts):
            message = number * MESSAGE_WORDS
            words[message + IOV], words[message + IOVLEN] = self._iov + at * IOVEC.itemsize, count
            if count > 1:
                words[message + CONTROL], words[message + CONTROLLEN] = self._controls[number], CMSG.itemsize
                self._control_words[number * CMSG_WORDS + CMSG_DATA] = lengths[at]
            else:
                words[message + CONTROL] = words[message + CONTROLLEN] = 0
            at += count
        return counts

    def _counts(self, lengths: list[int]) -> list[int]:
        counts: list[int] = []
        if len(lengths) == 1:
            return [1]
        if lengths and 0 < lengths[0] <= self._longest and lengths.count(lengths[0]) == len(lengths):
            most = min(SEGMENTS_MAX, AS_ONE_MAX // lengths[0])  # all equal, the usual case of video
            return [min(most, len(lengths) - at) for at in range(0, len(lengths), most)]
        size = more = 0
        for length in lengths:
            if more and 0 < length <= size:
                counts[-1] += 1
                more = more - 1 if length == size else 0
            else:
                counts.append(1)
                size = length
                more = min(SEGMENTS_MAX, AS_ONE_MAX // size) - 1 if 0 < size <= self._longest else 0
        return counts

    def below(self, size: int, error: int) -> None:
        """From now on group only smaller ones: the interface's MTU is smaller than these, or it does not split."""
        self._longest = 0 if error in {errno.EIO, errno.ENOPROTOOPT} else size - 1


class Mmsg:
    """A Mover for Linux. Peers are raw `struct sockaddr`, so that none is ever taken apart."""

    waiting = False
    _more_control: ClassVar = 0

    def __init__(self, sock: socket.socket) -> None:
        self._socket, self.fd = sock, sock.fileno()
        self._in, self._out = Vector(NAME_SIZES[sock.family]), Vector(NAME_SIZES[sock.family])
        self._stamps = Stamps(sock, self._in.words, self._more_control)
        self.emptied, self.can_stamp = True, self._stamps.exist
        self._out.headers["name"] = self._out.names.ctypes.data  # all have the same destination
        self._in.room[:] = ROOM
        self._runs = _Runs(self._out)
        self._aimed_at: Batch | None = None
        self._sent_to: Peer = None
        self._count = 0  # messages of the last `receive`
        self._taken_back = 0  # messages that are in their slots already
        self.only: Peer | None = None

    def receive(self, batch: Batch) -> int:
        if count := self._receive(batch, batch.capacity):
            batch.length_at[:count] = self._in.lengths(count)
        batch.count = count
        return count

    def _receive(self, batch: Batch, most: int) -> int:
        """Receive at most so many messages, the first bytes of each into its slot; how many."""
        if batch is not self._aimed_at:
            self._aim(batch)
        most = min(most, CAPACITY)
        self._count = count = self._taken_back or receive(self.fd, self._in, most)
        self._taken_back = 0
        self.emptied = count < most
        self.only = self._only() if count else None
        return count

    def _only(self) -> Peer | None:
        if self._count == 1:
            return self._in.first_name.tobytes()
        size = self._in.names.shape[1]
        names = self._in.all_names[: self._count * size].tobytes()
        return names[:size] if names == names[:size] * self._count else None

    def place(self, batch: Batch) -> tuple[int, int, int, int, int]:
        """For C: descriptor, address of the messages, bytes for control data; where large ones go on, and how far apart."""
        if batch is not self._aimed_at:
            self._aim(batch)
        self.renew()
        return self.fd, self._in.at, self._more_control, 0, 0

    def renew(self) -> None:
        """Before a read in C, which itself leaves the structures as they were."""
        self._stamps.renew(self._count)

    def take_back(self, batch: Batch, count: int, _row: int, _at: int, _sizes: Sequence[int]) -> None:  # noqa: ARG002
        """C has read `count` messages into `batch`: the next `receive` returns them."""
        self._taken_back = count

    def _aim(self, batch: Batch) -> None:
        self._aimed_at = batch
        slots = np.arange(CAPACITY, dtype=np.uint64) * SLOT_SIZE
        self._in.base[:] = slots + (batch.address + HEADROOM)

    def ask(self, wanted: bool) -> bool:
        return self._stamps.asked if self._taken_back else self._stamps.ask(wanted)

    def stamps(self) -> npt.NDArray[np.float64]:
        return self._stamps.each(slice(self._count))

    def senders(self, slots: npt.NDArray[np.int64]) -> list[Peer]:
        size, names = self._in.names.shape[1], self._in.names[slots].tobytes()
        return list(dict.fromkeys(names[at : at + size] for at in range(0, len(names), size)))

    def sent_by(self, peer: Peer) -> npt.NDArray[np.bool_]:
        assert isinstance(peer, bytes)
        same: npt.NDArray[np.bool_] = (self._in.names[: self._count] == np.frombuffer(peer, np.uint8)).all(axis=1)
        return same

    def send(self, batch: Batch, peer: Peer) -> Sent:
        assert isinstance(peer, bytes)
        out, lengths = self._out, batch.length_at[: batch.count].tolist()
        if peer != self._sent_to:
            self._sent_to = peer
            out.names[0] = np.frombuffer(peer, np.uint8)
        self._point_at(batch, lengths)
        done = failed = size = error = 0
        while done < batch.count:
            counts = self._runs.lay(lengths, done)
            went = _sendmmsg(self.fd, out.at, len(counts), MSG_DONTWAIT)
            if went == len(counts) and not done:  # nearly always
                return Sent(batch.count, sum(lengths), 0)
            if went > 0:
                done += sum(counts[:went])
                continue
            problem = ctypes.get_errno()
            if counts[0] > 1 and problem in NOT_AS_ONE:
                self._runs.below(lengths[done], problem)
                continue
            error = problem
            if error in ONLY_THIS_ONE:
                failed, size = failed + counts[0], size - sum(lengths[done : done + counts[0]])
                done += counts[0]
            else:
                break
        return Sent(done - failed, size + sum(lengths[:done]), error)

    def _point_at(self, batch: Batch, lengths: list[int]) -> None:
        """Make the datagrams what is sent."""
        out = self._out
        if batch.count > batch.few:
            out.base[: batch.count] = batch.address + batch.offsets()
            out.room[: batch.count] = lengths
            return
        words, at = out.iov_words, batch.address
        for number, length in enumerate(lengths):
            words[number * IOVEC_WORDS], words[number * IOVEC_WORDS + 1] = at + batch.start_at[number], length
            at += SLOT_SIZE

    def peer(self, address: SockAddr) -> Peer:
        if len(address) == 2:  # noqa: PLR2004 - host and port: IPv4
            return (
                struct.pack("=H", socket.AF_INET) + struct.pack("!H", address[1]) + socket.inet_aton(address[0]) + bytes(8)
            )
        host, port, flow, scope = address
        packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
        return struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", port, flow) + packed + struct.pack("=I", scope)

    def address(self, peer: Peer) -> SockAddr:
        assert isinstance(peer, bytes)
        (port,) = struct.unpack_from("!H", peer, 2)
        if len(peer) == NAME_SIZES[socket.AF_INET]:
            return socket.inet_ntoa(peer[4:8]), port
        (flow,), (scope,) = struct.unpack_from("!I", peer, 4), struct.unpack_from("=I", peer, 24)
        return socket.inet_ntop(socket.AF_INET6, peer[8:24]), port, flow, scope


class OneByOne:
    """A Mover for any system. Peers are Python's socket addresses; nothing is stamped.

    `large`: a datagram that is larger than a slot fills several slots.
    """

    def __init__(self, sock: socket.socket, *, large: bool = False) -> None:
        self._socket, self._large = sock, large
        self.waiting, self.emptied, self.can_stamp = False, True, False
        self.only: Peer | None = None
        self._whole = bytearray(DATAGRAM_MAX)  # so that the size of an oversized datagram is known here too
        self._from: list[Peer] = []
        self._parts: deque[tuple[bytes, Peer]] = deque()  # parts of a larger one that found no slot yet

    def receive(self, batch: Batch) -> int:
        self._from.clear()
        while not batch.full:
            if self._parts:
                part, sender = self._parts.popleft()
                batch.append(part)
            elif (read := self._read()) is None:
                break
            else:
                size, sender = read
                if size > ROOM and self._large:
                    self._parts.extend(
                        (bytes(self._whole[at : min(at + ROOM, size)]), sender) for at in range(0, size, ROOM)
                    )
                    continue
                batch.append(memoryview(self._whole)[: min(size, ROOM)])
                batch.lengths[batch.count - 1] = size
            self._from.append(sender)
        self.only = self._from[0] if len({*self._from}) == 1 else None
        self.waiting, self.emptied = bool(self._parts), not batch.full
        return batch.count

    def _read(self) -> tuple[int, Peer] | None:
        while True:
            try:
                return self._socket.recvfrom_into(self._whole)
            except BlockingIOError:
                return None
            except ConnectionResetError:  # Windows: no program received an earlier datagram of ours
                continue

    def ask(self, wanted: bool) -> bool:  # noqa: ARG002 - there are none
        return False

    def stamps(self) -> npt.NDArray[np.float64]:
        return np.zeros(len(self._from))

    def senders(self, slots: npt.NDArray[np.int64]) -> list[Peer]:
        return list(dict.fromkeys(self._from[slot] for slot in slots))

    def sent_by(self, peer: Peer) -> npt.NDArray[np.bool_]:
        return np.fromiter((sender == peer for sender in self._from), np.bool_, len(self._from))

    def send(self, batch: Batch, peer: Peer) -> Sent:
        assert isinstance(peer, tuple)
        count = size = error = 0
        for index in range(batch.count):
            try:
                size += self._socket.sendto(batch.view(index), peer)
                count += 1
            except OSError as problem:
                error = problem.errno or errno.EIO
                if error not in ONLY_THIS_ONE:
                    break
        return Sent(count, size, error)

    def peer(self, address: SockAddr) -> Peer:
        return address

    def address(self, peer: Peer) -> SockAddr:
        assert isinstance(peer, tuple)
        return peer


def _calls() -> tuple[Any, Any] | None:
    """recvmmsg and sendmmsg, where they exist and have the layout above."""
    if sys.platform != "linux" or struct.calcsize("P") != IOVEC["len"].itemsize:
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    if not (hasattr(libc, "recvmmsg") and hasattr(libc, "sendmmsg")):
        return None
    libc.sendmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
    libc.recvmmsg.argtypes = (*libc.sendmmsg.argtypes, ctypes.c_void_p)
    return libc.recvmmsg, libc.sendmmsg


# The one place that chooses.
_CALLS = _calls()
if _CALLS:
    _recvmmsg, _sendmmsg = _CALLS
new_mover: Callable[[socket.socket], Mover] = Mmsg if _CALLS else OneByOne
