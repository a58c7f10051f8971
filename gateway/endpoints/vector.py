"""Vector: the structures that recvmmsg(2) and sendmmsg(2) take, as arrays and word by word.

What lives here: their layout, that of 64-bit Linux, the same on x86-64 and aarch64. What must not: the calls (mmsg.py).

    struct iovec    { void *base; size_t len; }                                                      16 bytes
    struct mmsghdr  { struct msghdr { void *name; socklen_t namelen; struct iovec *iov; size_t iovlen;
                                      void *control; size_t controllen; int flags; } hdr;
                      unsigned len; }                                                                64 bytes
    struct cmsghdr  { size_t len; int level; int type; } and what it carries, padded                  24 bytes
"""

from __future__ import annotations

import socket
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.batch import CAPACITY

IOVEC = np.dtype({"names": ["base", "len"], "formats": ["u8", "u8"], "offsets": [0, 8], "itemsize": 16})
MMSGHDR = np.dtype(
    {
        "names": ["name", "namelen", "iov", "iovlen", "control", "controllen", "len"],
        "formats": ["u8", "u4", "u8", "u8", "u8", "u8", "u4"],
        "offsets": [0, 8, 16, 24, 32, 40, 56],
        "itemsize": 64,
    }
)
CMSG = np.dtype(
    {
        "names": ["len", "level", "type", "size"],
        "formats": ["u8", "i4", "i4", "u2"],
        "offsets": [0, 8, 12, 16],
        "itemsize": 24,
    }
)

# Of MMSGHDR, IOVEC and CMSG, in words of 8 bytes.
MESSAGE_WORDS, IOV, IOVLEN, CONTROL, CONTROLLEN, LENGTH = 8, 2, 3, 4, 5, 7
IOVEC_WORDS, CMSG_WORDS, CMSG_DATA = 2, 3, 2
NAME_SIZES = {socket.AF_INET: 16, socket.AF_INET6: 28}  # struct sockaddr_in, sockaddr_in6


class Vector:
    """`size` struct mmsghdr with one iovec and one place for a name each; all of it made once.

    `words` and `iov_words` are the same memory in words of 8 bytes, for one field at a time: their items are Python's
    integers.
    """

    def __init__(self, name_size: int, size: int = CAPACITY) -> None:
        self.iov = np.zeros(size, IOVEC)
        self.headers = np.zeros(size, MMSGHDR)
        self.names = np.zeros((size, name_size), np.uint8)
        self.headers["iov"] = self.iov.ctypes.data + np.arange(size) * IOVEC.itemsize
        self.headers["iovlen"] = 1
        self.headers["name"] = self.names.ctypes.data + np.arange(size) * name_size
        self.headers["namelen"] = name_size
        self.all_names = self.names.reshape(-1).data
        self.first_name = self.all_names[:name_size]
        self.words, self.iov_words = words_of(self.headers), words_of(self.iov)
        self.at = self.headers.ctypes.data
        self.base, self.room = self.iov["base"], self.iov["len"]
        self.iovs, self.iovlens = self.headers["iov"], self.headers["iovlen"]

    def lengths(self, count: int) -> memoryview:
        """Bytes of each of the first `count` messages that were received."""
        return self.words[LENGTH : count * MESSAGE_WORDS : MESSAGE_WORDS]


def words_of(octets: npt.NDArray[Any]) -> memoryview:
    """The same memory in words of 8 bytes."""
    return octets.view(np.uint8).reshape(-1).data.cast("q")
