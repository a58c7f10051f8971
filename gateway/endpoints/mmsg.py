"""Datagrams between a UDP socket and a batch: one system call for all of them, or one by one where there is no such call.

What lives here: `Mmsg` (recvmmsg(2) and sendmmsg(2), straight into and out of the arena), `OneByOne` (any system that
Python runs on) and the one place that chooses between them. What must not: who gets which datagram (udp.py).

The structures are those of 64-bit Linux, the same on x86-64 and aarch64:

    struct iovec    { void *base; size_t len; }                                                      16 bytes
    struct mmsghdr  { struct msghdr { void *name; socklen_t namelen; struct iovec *iov; size_t iovlen;
                                      void *control; size_t controllen; int flags; } hdr;
                      unsigned len; }                                                                64 bytes
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import sys
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from gateway.batch import CAPACITY, HEADROOM, ROOM, SLOT_SIZE, Batch
from gateway.endpoints.lookup import SockAddr

MSG_TRUNC = 0x20  # on reading: tell the whole length of a datagram, even of one that was cut
MSG_DONTWAIT = 0x40
DATAGRAM_MAX = 65_535

FULL = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM})  # the rest of the batch would fare no better
ONLY_THIS_ONE = frozenset({errno.EMSGSIZE, errno.EPERM, errno.ECONNREFUSED})  # the next datagram may well go

IOVEC = np.dtype({"names": ["base", "len"], "formats": ["u8", "u8"], "offsets": [0, 8], "itemsize": 16})
MMSGHDR = np.dtype(
    {
        "names": ["name", "namelen", "iov", "iovlen", "len"],
        "formats": ["u8", "u4", "u8", "u8", "u4"],
        "offsets": [0, 8, 16, 24, 56],
        "itemsize": 64,
    }
)
NAME_SIZES = {socket.AF_INET: 16, socket.AF_INET6: 28}  # struct sockaddr_in, sockaddr_in6

Peer: TypeAlias = Hashable  # who is at the other end, in the form of the mover that named him


class Sent(NamedTuple):
    """What became of a batch: datagrams and bytes that went, and the errno that held up the rest, or 0."""

    datagrams: int
    octets: int
    error: int


class Mover(Protocol):
    """Moves batches through one non-blocking UDP socket."""

    def receive(self, batch: Batch) -> int:
        """Fill the slots of an empty batch; how many. A length above ROOM is that of a datagram which was cut."""

    def senders(self, slots: npt.NDArray[np.int64]) -> list[Peer]:
        """Who sent what stands in these slots of the last `receive`, each once."""

    def sent_by(self, peer: Peer) -> npt.NDArray[np.bool_]:
        """For each slot of the last `receive`, whether it is from `peer`."""

    def send(self, batch: Batch, peer: Peer) -> Sent:
        """Send all datagrams of the batch to `peer`, in order."""

    def peer(self, address: SockAddr) -> Peer:
        """The peer at a socket address."""

    def name(self, peer: Peer) -> str:
        """The peer in words: host and port."""


class _Vector:
    """An array of struct mmsghdr with one iovec and one place for a name each; all of it made once."""

    def __init__(self, name_size: int) -> None:
        self.iov = np.zeros(CAPACITY, IOVEC)
        self.headers = np.zeros(CAPACITY, MMSGHDR)
        self.names = np.zeros((CAPACITY, name_size), np.uint8)
        self.headers["iov"] = self.iov.ctypes.data + np.arange(CAPACITY) * IOVEC.itemsize
        self.headers["iovlen"] = 1
        self.headers["name"] = self.names.ctypes.data + np.arange(CAPACITY) * name_size
        self.headers["namelen"] = name_size
        self.at = self.headers.ctypes.data
        self.base, self.room = self.iov["base"], self.iov["len"]
        self.lengths = self.headers["len"]


class Mmsg:
    """A Mover for Linux. Peers are raw `struct sockaddr`, so that none is ever taken apart."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket, self._fd = sock, sock.fileno()
        self._in, self._out = _Vector(NAME_SIZES[sock.family]), _Vector(NAME_SIZES[sock.family])
        self._out.headers["name"] = self._out.names.ctypes.data  # all go to the same one
        self._in.room[:] = ROOM
        self._aimed_at: Batch | None = None
        self._count = 0

    def receive(self, batch: Batch) -> int:
        if batch is not self._aimed_at:
            self._aimed_at = batch
            slots = np.arange(CAPACITY, dtype=np.uint64) * SLOT_SIZE
            self._in.base[:] = slots + (batch.octets.ctypes.data + HEADROOM)
        count = _recvmmsg(self._fd, self._in.at, min(batch.capacity, CAPACITY), MSG_DONTWAIT | MSG_TRUNC, None)
        self._count = max(count, 0)
        if count < 0 and (error := ctypes.get_errno()) not in {errno.EAGAIN, errno.EINTR}:
            raise OSError(error, os.strerror(error))
        batch.lengths[: self._count] = self._in.lengths[: self._count]
        batch.count = self._count
        return self._count

    def senders(self, slots: npt.NDArray[np.int64]) -> list[Peer]:
        names = self._in.names[slots]
        if len(names) and (names == names[0]).all():
            return [names[0].tobytes()]
        return list(dict.fromkeys(name.tobytes() for name in names))

    def sent_by(self, peer: Peer) -> npt.NDArray[np.bool_]:
        assert isinstance(peer, bytes)
        same: npt.NDArray[np.bool_] = (self._in.names[: self._count] == np.frombuffer(peer, np.uint8)).all(axis=1)
        return same

    def send(self, batch: Batch, peer: Peer) -> Sent:
        assert isinstance(peer, bytes)
        out, count = self._out, batch.count
        out.names[0] = np.frombuffer(peer, np.uint8)
        out.base[:count] = batch.octets.ctypes.data + batch.offsets()
        out.room[:count] = batch.lengths[:count]
        out.lengths[:count] = 0
        done = failed = error = 0
        while done < count:
            went = _sendmmsg(self._fd, out.at + done * MMSGHDR.itemsize, count - done, MSG_DONTWAIT)
            if went < 0:
                error = ctypes.get_errno()
                if error not in ONLY_THIS_ONE:
                    break
                failed, went = failed + 1, 1
            done += went
        return Sent(done - failed, int(out.lengths[:done].sum()), error)

    def peer(self, address: SockAddr) -> Peer:
        if len(address) == 2:  # noqa: PLR2004 - host and port: IPv4
            return (
                struct.pack("=H", socket.AF_INET) + struct.pack("!H", address[1]) + socket.inet_aton(address[0]) + bytes(8)
            )
        host, port, flow, scope = address
        packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
        return struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", port, flow) + packed + struct.pack("=I", scope)

    def name(self, peer: Peer) -> str:
        assert isinstance(peer, bytes)
        (port,) = struct.unpack_from("!H", peer, 2)
        if len(peer) == NAME_SIZES[socket.AF_INET]:
            return f"{socket.inet_ntoa(peer[4:8])}:{port}"
        return f"[{socket.inet_ntop(socket.AF_INET6, peer[8:24])}]:{port}"


class OneByOne:
    """A Mover for any system. Peers are Python's socket addresses."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._whole = bytearray(DATAGRAM_MAX)  # so that the size of what does not fit is known here too
        self._from: list[Peer] = []

    def receive(self, batch: Batch) -> int:
        self._from.clear()
        while not batch.full:
            try:
                size, sender = self._socket.recvfrom_into(self._whole)
            except BlockingIOError:
                break
            except ConnectionResetError:  # Windows: an earlier datagram of ours found nobody
                continue
            batch.append(memoryview(self._whole)[: min(size, ROOM)])
            batch.lengths[batch.count - 1] = size
            self._from.append(sender)
        return batch.count

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

    def name(self, peer: Peer) -> str:
        assert isinstance(peer, tuple)
        return f"[{peer[0]}]:{peer[1]}" if ":" in peer[0] else f"{peer[0]}:{peer[1]}"


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
