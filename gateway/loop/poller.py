"""Waiting for endpoints, to the microsecond if the system can, and for the signals to stop."""

from __future__ import annotations

import ctypes
import math
import os
import select
import signal
import socket
import struct
import sys
import weakref
from collections.abc import Mapping, Sequence, Set
from typing import NamedTuple

from gateway import clock
from gateway.endpoints import Endpoint
from gateway.endpoints.endpoint import READ, WRITE

WAKE_MAX = 4096  # bytes; each signal writes one

Interests = list[tuple[int, int]]

_NONE: frozenset[Endpoint] = frozenset()


class Descriptors(NamedTuple):
    """What a wait is for, as poll(2) takes it: the address of so many struct pollfd, and the place of each descriptor."""

    address: int
    size: int
    places: Mapping[int, int]


class Poller:
    """`wait` until one of `endpoints` is ready or until a deadline; `stopping` after SIGINT, SIGTERM or SIGHUP.

    What to wait for is prepared once, and prepared again only where an endpoint's interests have changed.
    """

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self.endpoints = endpoints
        self.stopping = False
        self._resting: dict[Endpoint, float] = {}
        self._prepared: dict[Endpoint, Interests] = {}
        self._owners: dict[int, frozenset[Endpoint]] = {}  # of file descriptors; each as what `wait` returns
        self._ready = _Ready()
        self._wake, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        self._wake.setblocking(False)
        self._wake_fd = self._wake.fileno()
        self._ready.add(self._wake_fd, READ)
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

    def wait(self, until: float) -> Set[Endpoint]:
        """The endpoints that have data; none when it is `until` on `clock.now`, or after a signal.

        An endpoint stays ready until its `receive_into` was called.
        """
        full = self._prepare()
        fds = self._ready(0.0 if full else self._first(until))
        ready = self._owners_of(fds[0]) if len(fds) == 1 else _NONE.union(*map(self._owners_of, fds))
        if self._wake_fd in fds:
            self._wake.recv(WAKE_MAX)  # otherwise every later wait would return at once
        if full or self._resting:
            return ready.union(full, self._rested())
        return ready

    def descriptors(self, until: float) -> Descriptors | None:
        """What `wait` would wait for, for code in C; None if it would not wait, or if this system has no timer to poll."""
        if self._prepare() or not isinstance(self._ready, _ByPoll):
            return None
        return self._ready.descriptors(self._first(until))

    def _first(self, until: float) -> float:
        """The first of this deadline and the ends of all rests."""
        return min(until, *self._resting.values()) if self._resting else until

    def _owners_of(self, fd: int) -> frozenset[Endpoint]:
        return self._owners.get(fd, _NONE)

    def _prepare(self) -> list[Endpoint]:
        """Wait for what the endpoints want now; those that have data which no poll reports."""
        full: list[Endpoint] = []
        for endpoint in self.endpoints:
            if endpoint in self._resting:
                wanted: Interests = []
            else:
                wanted = endpoint.interests()
                if endpoint.waiting:
                    full.append(endpoint)
            if wanted is not (before := self._prepared.get(endpoint)) and wanted != before:
                self._renew(endpoint, before or [], wanted)
        return full

    def _renew(self, endpoint: Endpoint, before: Interests, wanted: Interests) -> None:
        """A descriptor that was closed may be another endpoint's by now."""
        self._prepared[endpoint] = wanted
        for fd, _ in before:
            if endpoint in self._owners_of(fd):
                del self._owners[fd]
                self._ready.remove(fd)
        owner = frozenset({endpoint})
        for fd, mask in wanted:
            self._owners[fd] = owner
            self._ready.add(fd, mask)

    def _rested(self) -> list[Endpoint]:
        now = clock.now()
        rested = [endpoint for endpoint, until in self._resting.items() if until <= now]
        for endpoint in rested:
            del self._resting[endpoint]
        return rested


class _ByPoll:
    """The file descriptors that are ready, or broken; none at a deadline, which a timer of the system is set to.

    Python's poll counts in milliseconds, and a bundle waits for two of them; its select ends at descriptor 1023. The timer
    is set only if the deadline is another than before, where a limit of the poll would be armed each time.
    """

    def __init__(self) -> None:
        self._poll = select.poll()
        self._timer = _timerfd_create(_BOOTTIME, os.O_CLOEXEC | os.O_NONBLOCK)
        if self._timer < 0:
            raise OSError(ctypes.get_errno(), "this system has no timerfd_create(2)")
        weakref.finalize(self, os.close, self._timer)
        self._until = math.inf
        self._masks: dict[int, int] = {}
        self._structures: ctypes.Array[ctypes.c_char] | None = None  # None: they have to be made again
        self.add(self._timer, READ)

    def add(self, fd: int, mask: int) -> None:
        self._poll.register(fd, mask)
        self._masks[fd], self._structures = mask, None

    def remove(self, fd: int) -> None:
        self._poll.unregister(fd)
        del self._masks[fd]
        self._structures = None

    def __call__(self, until: float) -> list[int]:
        self._set(until)
        return [fd for fd, _ in self._poll.poll() if fd != self._timer]

    def descriptors(self, until: float) -> Descriptors:
        """The same for C. The address is valid until a descriptor is added or removed."""
        self._set(until)
        if self._structures is None:
            packed = b"".join(_POLLFD.pack(fd, mask, 0) for fd, mask in self._masks.items())
            self._structures = ctypes.create_string_buffer(packed, len(packed))
            places = {fd: place for place, fd in enumerate(self._masks)}
            self._descriptors = Descriptors(ctypes.addressof(self._structures), len(places), places)
        return self._descriptors

    def _set(self, until: float) -> None:
        if until != self._until:
            self._until = until
            left = max(0.0, until - clock.now())  # libfaketime takes every absolute time for one of the calendar
            nanoseconds = 0 if left == math.inf else max(1, math.ceil(left * 1e9))  # 0: never
            setting = _ITIMERSPEC.pack(0, 0, *divmod(nanoseconds, 1_000_000_000))
            _timerfd_settime(self._timer, 0, setting, None)


class _BySelect:
    """As above, with select."""

    def __init__(self) -> None:
        self._masks: dict[int, int] = {}

    def add(self, fd: int, mask: int) -> None:
        self._masks[fd] = mask

    def remove(self, fd: int) -> None:
        del self._masks[fd]

    def __call__(self, until: float) -> list[int]:
        readers = [fd for fd, mask in self._masks.items() if mask & READ]
        writers = [fd for fd, mask in self._masks.items() if mask & WRITE]
        left = None if until == math.inf else max(0.0, until - clock.now())
        readable, writable, _ = select.select(readers, writers, (), left)
        return list({*readable, *writable})


_POLLFD = struct.Struct("@ihh")  # struct pollfd: descriptor, events asked for, events
_ITIMERSPEC = struct.Struct("@llll")  # struct itimerspec: interval and value, each seconds and nanoseconds

if sys.platform == "linux":  # Python has these two from 3.13 on
    import time

    _BOOTTIME = time.CLOCK_BOOTTIME  # that of `clock.now`
    _libc = ctypes.CDLL(None, use_errno=True)
    _timerfd_create, _timerfd_settime = _libc.timerfd_create, _libc.timerfd_settime
    _timerfd_settime.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
    _Ready: type[_ByPoll | _BySelect] = _ByPoll
else:
    _Ready = _BySelect
