"""Which topics of a feed have subscribers, whatever those say.

A program can take back subscriptions that are not its own, or make one twice, so a count of what came is not enough. Here
each subscription belongs to the connection by which it came, and ends with that, or when that takes it back.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

import zmq


class _Connection(NamedTuple):
    """`node`: what tells this socket from a later one that has the same number."""

    descriptor: int
    node: int


_UNKNOWN = _Connection(-1, 0)  # never known to have ended


class Subscribers:
    """Of one ZeroMQ socket. `topics`: those with a subscriber, as of the last event or `look`."""

    def __init__(self) -> None:
        self.topics: frozenset[str] = frozenset()
        self._of: dict[_Connection, set[str]] = {}

    def come(self, event: zmq.Frame, topics: Iterable[str], *, known: bool) -> None:
        """`known`: whether the connection of the event is surely the one that it names."""
        connection = _connection(event) if known else _UNKNOWN
        if connection:
            self._of.setdefault(connection, set()).update(topics)
            self._sum()

    def go(self, event: zmq.Frame, topics: Iterable[str], *, known: bool) -> None:
        connection = _connection(event) if known else None
        if connection in self._of:
            self._of[connection].difference_update(topics)
            self._sum()

    def look(self) -> None:
        """Forget the connections that have ended; call it some times a second."""
        ended = [each for each in self._of if each is not _UNKNOWN and _at(each.descriptor) != each]
        for connection in ended:
            del self._of[connection]
        if ended:
            self._sum()

    def clear(self) -> None:
        """All are disconnected."""
        self._of.clear()
        self._sum()

    def _sum(self) -> None:
        self.topics = frozenset().union(*self._of.values())


def _connection(event: zmq.Frame) -> _Connection | None:
    """By which this came; None if it has ended, or if libzmq made the event itself because it ended."""
    try:
        return _at(int(event.get(zmq.SRCFD)))
    except (TypeError, ValueError, zmq.ZMQError):
        return None


def _at(descriptor: int) -> _Connection | None:
    try:
        return _Connection(descriptor, os.fstat(descriptor).st_ino)
    except OSError:
        return None
