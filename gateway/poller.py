"""Waiting for endpoints, to the microsecond where the system can, and for the wish to stop."""

from __future__ import annotations

import ctypes
import select
import signal
import socket
import sys
from collections.abc import Sequence

from gateway.endpoints import Endpoint
from gateway.endpoints.endpoint import READ, WRITE

WAIT_MAX_S = 1.0
WAKE_MAX = 4096  # bytes; each signal writes one


class Poller:
    """`wait` until one of `endpoints` is ready or a deadline is there; `stopping` once SIGINT or SIGTERM came."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self.endpoints = endpoints
        self.stopping = False
        self._wake, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        self._wake.setblocking(False)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def wait(self, timeout: float) -> bool:
        """True once an endpoint has something; False after `timeout` seconds, or when a signal came.

        What made it True makes it so again until the endpoint's `fill` was called.
        """
        wake = self._wake.fileno()
        interests = [(wake, READ)]
        for endpoint in self.endpoints:
            interests += endpoint.interests()
        ready = _ready(interests, min(max(timeout, 0.0), WAIT_MAX_S))
        if wake in ready:
            self._wake.recv(WAKE_MAX)  # else every later wait would return at once
            ready.remove(wake)
        return bool(ready)


class _PollFd(ctypes.Structure):
    _fields_ = (("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short))


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def _by_ppoll(interests: list[tuple[int, int]], timeout: float) -> list[int]:
    """The file descriptors that are ready, or broken; none when a signal came.

    Python's poll counts in milliseconds, and a bundle waits for two of them; its select ends at descriptor 1023.
    """
    waiting = (_PollFd * len(interests))(*(_PollFd(fd, mask) for fd, mask in interests))
    limit = _TimeSpec(int(timeout), int(timeout % 1 * 1e9))
    if _ppoll(waiting, len(interests), ctypes.byref(limit), None) <= 0:
        return []
    return [entry.fd for entry in waiting if entry.revents]


def _by_select(interests: list[tuple[int, int]], timeout: float) -> list[int]:
    readers = [fd for fd, mask in interests if mask & READ]
    writers = [fd for fd, mask in interests if mask & WRITE]
    readable, writable, _ = select.select(readers, writers, (), timeout)
    return [*readable, *writable]


if sys.platform == "linux":
    _ppoll = ctypes.CDLL(None).ppoll
    _ppoll.argtypes = (ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_void_p)
    _ready = _by_ppoll
else:
    _ready = _by_select
