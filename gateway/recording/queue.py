"""Queue: messages of air between the thread that reads and the thread that seals, bounded in bytes.

What lives here: the bound, what is lost when it is reached, and when the sealing thread wakes. What waits for
the card counts too: the sealing thread says how much that is.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter, deque
from typing import NamedTuple

from gateway.recording import handover, pcap
from gateway.recording.group import Group

WAKE = 524_288  # bytes: for so many the sealing thread is woken; data counts at the next cut only, so it may wait
OVERHEAD = 128  # bytes of memory that a message takes besides its own
STRUCTURES_UP_TO = 2  # times the limit: structures are few, and what is recorded depends on each, so they may exceed it


class Lost(NamedTuple):
    """What found no room; the entry before what did."""

    datagrams: dict[Group, int]
    from_us: int
    to_us: int


class Ended(NamedTuple):
    """The connection of air is gone."""


Entry = tuple[float, bytes | Lost | Ended]  # when it was received


class Queue:
    """`limit`: bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: deque[Entry] = deque()
        self._bytes = 0  # of the entries
        self._kept = 0  # bytes that the sealing thread still has
        self._lost: Counter[Group] = Counter()
        self._lost_from_us = 0
        self._begun = set[bytes]()  # groups of which data came since the last structure
        self._changed = threading.Condition()
        self._stop = False
        self._awake = False

    # --- the reading thread ---

    def put(self, message: bytes, now: float) -> bool:
        """Never waits. A data message that finds no room is lost, and counted; False if a structure finds none."""
        is_data = message[0] == handover.DATA
        size = len(message) + OVERHEAD
        with self._changed:
            total = self._bytes + self._kept + size
            if total > self._limit and is_data:
                self._lose(message)
                return True
            if total > STRUCTURES_UP_TO * self._limit:
                return False
            if self._lost and is_data:
                self._tell_lost(message, now)
            self._entries.append((now, message))
            self._bytes += size
            if self._is_first(message, is_data) or self._bytes >= WAKE:
                self._wake()
        return True

    def _is_first(self, message: bytes, is_data: bool) -> bool:
        """A structure, or data that may begin a recording: air signs its header as long as it is there, so at once."""
        if not is_data:
            self._begun.clear()
        elif (group := message[1:2]) in self._begun:
            return False
        else:
            self._begun.add(group)
        return True

    def end(self, now: float) -> None:
        """The connection is gone."""
        with self._changed:
            self._entries.append((now, Ended()))
            self._wake()

    def stop(self) -> None:
        with self._changed:
            self._stop = True
            self._wake()

    @property
    def losing(self) -> int:
        """Datagrams that are lost since there is no room; 0 when there is."""
        return self._lost.total()

    def _lose(self, message: bytes) -> None:
        group, datagrams, first_us = _content(message)
        if not self._lost:
            self._lost_from_us = first_us
        self._lost[group] += datagrams

    def _tell_lost(self, message: bytes, now: float) -> None:
        _, _, first_us = _content(message)
        self._entries.append((now, Lost(dict(self._lost), self._lost_from_us, first_us)))
        self._lost.clear()

    def _wake(self) -> None:
        self._awake = True
        self._changed.notify()

    # --- the sealing thread ---

    def take(self, wait_s: float | None) -> tuple[list[Entry], bool]:
        """All that is here, as soon as it is enough, a structure came, or the time is over; and whether to go on."""
        with self._changed:
            if not self._awake:
                self._changed.wait(wait_s)
            self._awake = False
            entries = list(self._entries)
            self._entries.clear()
            self._kept, self._bytes = self._kept + self._bytes, 0
            return entries, not self._stop

    def keep(self, size: int) -> None:
        """Of all that was taken, so many bytes still take memory."""
        with self._changed:
            self._kept = size


def _content(message: bytes) -> tuple[Group, int, int]:
    """The group, the datagrams with those that air lost before them, and the time of the first."""
    _, number, _, lost = handover.HEAD.unpack_from(message.ljust(handover.HEAD.size, b"\0"))
    group = Group(number) if number in Group._value2member_map_ else Group.FLIGHT
    times = list[int]()
    with contextlib.suppress(pcap.Malformed):  # air's records are whole; of others those before count
        for record in pcap.read(message, handover.HEAD.size):
            times.append(record.time_ns // 1000)
    return group, lost + len(times), min(times, default=0)
