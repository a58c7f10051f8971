"""Waiting for endpoints, to the microsecond if the system can, and for the signals to stop."""

from __future__ import annotations

import ctypes
import select
import signal
import socket
import struct
import sys
from collections.abc import Sequence

from gateway import clock
from gateway.endpoints import Endpoint
from gateway.endpoints.endpoint import READ, WRITE

WAIT_MAX_S = 1.0
WAKE_MAX = 4096  # bytes; each signal writes one

Interests = list[tuple[int, int]]


class Poller:
    """`wait` until one of `endpoints` is ready or until a deadline; `stopping` after SIGINT, SIGTERM or SIGHUP."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self.endpoints = endpoints
        self.stopping = False
        self._resting: dict[Endpoint, float] = {}
        self._ready = _Ready()
        self._wake, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        self._wake.setblocking(False)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        hangup = getattr(signal, "SIGHUP", None)  # Windows has none
        if hangup and signal.getsignal(hangup) is not signal.SIG_IGN:  # as set by nohup and gateway.air.command
            signal.signal(hangup, self._stop)

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def defer(self, endpoint: Endpoint, until: float) -> None:
        """Let the data of this endpoint accumulate: it wakes nothing before `until`, on `clock.now`, and is ready then."""
        self._resting[endpoint] = until

    def resume(self, endpoint: Endpoint) -> None:
        """End its rest: data is expected that must not wait."""
        self._resting.pop(endpoint, None)

    def due(self, endpoint: Endpoint, otherwise: float) -> float:
        """When its rest ends; `otherwise` if it does not rest."""
        return self._resting.get(endpoint, otherwise)

    def wait(self, timeout: float) -> set[Endpoint]:
        """The endpoints that have data; none after `timeout` seconds, or after a signal.

        An endpoint stays ready until its `receive_into` was called.
        """
        owners: dict[int, Endpoint] = {}
        interests = [(self._wake.fileno(), READ)]
        ready: set[Endpoint] = set()
        for endpoint in self.endpoints:
            if endpoint in self._resting:
                continue
            if endpoint.waiting:
                ready.add(endpoint)
            else:
                for interest in endpoint.interests():
                    interests.append(interest)
                    owners[interest[0]] = endpoint
        if self._resting:
            timeout = min(timeout, min(self._resting.values()) - clock.now())
        fds = self._ready(interests, 0.0 if ready else min(max(timeout, 0.0), WAIT_MAX_S))
        if self._wake.fileno() in fds:
            self._wake.recv(WAKE_MAX)  # otherwise every later wait would return at once
            fds.remove(self._wake.fileno())
        ready.update(owners[fd] for fd in fds)
        return ready | self._rested() if self._resting else ready

    def _rested(self) -> set[Endpoint]:
        now = clock.now()
        rested = {endpoint for endpoint, until in self._resting.items() if until <= now}
        for endpoint in rested:
            del self._resting[endpoint]
        return rested


_POLL_FD = struct.Struct("@ihh")  # struct pollfd: fd, events, revents


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _ByPpoll:
    """The file descriptors that are ready, or broken; none after a signal.

    Python's poll counts in milliseconds, and a bundle waits for two of them; its select ends at descriptor 1023.
    """

    def __init__(self) -> None:
        self._interests: Interests = []
        self._asked = ctypes.create_string_buffer(0)
        self._limit = _TimeSpec()
        self._until = ctypes.byref(self._limit)

    def __call__(self, interests: Interests, timeout: float) -> list[int]:
        if interests != self._interests:
            self._interests = interests
            asked = b"".join(_POLL_FD.pack(fd, mask, 0) for fd, mask in interests)
            self._asked = ctypes.create_string_buffer(asked, len(asked))
        self._limit.seconds, self._limit.nanoseconds = int(timeout), int(timeout % 1 * 1e9)
        if _ppoll(self._asked, len(interests), self._until, None) <= 0:
            return []
        return [fd for fd, _, come in _POLL_FD.iter_unpack(self._asked) if come]


class _BySelect:
    def __call__(self, interests: Interests, timeout: float) -> list[int]:
        readers = [fd for fd, mask in interests if mask & READ]
        writers = [fd for fd, mask in interests if mask & WRITE]
        readable, writable, _ = select.select(readers, writers, (), timeout)
        return list({*readable, *writable})


if sys.platform == "linux":
    _ppoll = ctypes.CDLL(None).ppoll
    _ppoll.argtypes = (ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_void_p)
    _Ready: type[_ByPpoll | _BySelect] = _ByPpoll
else:
    _Ready = _BySelect
