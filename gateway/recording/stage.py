"""Stage: what came waits here, as records, until the recorder's socket takes it. SPEC.md section 8.

What lives here: preallocated memory, 4 MiB in all, as the data messages of handover.py. What must not: what is recorded
(gateway.air.recording), when to connect (gateway.air.recorder_link).

The flow:
  1  `add`, `add_batch`  copy records into the open message of a group; when it is full, the next one is opened
  2  `say`               a structure goes to the recorder, after the records that came before it
  3  `hand_over`         sends what waits, at most 50 times a second; what the socket does not take stays
A datagram that finds no room is lost and counted: the head of the group's next message says how many. Nothing waits, and
nothing has a wake-up of its own.

All state is 64-bit words in memory that C reads and writes too (gateway/native/stage.c).
"""

from __future__ import annotations

import errno
import socket
from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np

from gateway.batch import HEADROOM, Batch
from gateway.recording import pcap
from gateway.recording.group import Group
from gateway.recording.handover import DATA, HEAD, MESSAGE_MAX

HAND_OVER_EVERY_S = 0.02
MESSAGES = 64  # of all groups together: 4 MiB
MESSAGES_OF_FLIGHT = 16  # 1 MiB, some 20 s of 500 frames a second, however much video waits
CONTENT_MAX = MESSAGE_MAX - HEAD.size - pcap.OVERHEAD
LOST_MAX = (1 << 32) - 1
SAID_MAX = 256  # structures that wait; a recorder that takes none for so long is disconnected

# The words of struct stages, and after these the words of each struct stage.
BEGAN, HANDED_AT, FD, ERROR, SAID, HEAD_WORDS = range(6)
MEMORY, GROUP, WANTED, ROOM, FIRST, COUNT, LOST, SIZES = range(8)  # the sizes of the messages are the last words
STAGE_WORDS = SIZES + MESSAGES

_SECOND_NS = 1_000_000_000
_NO_SOCKET = -1
_NOT_NOW = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM, errno.EINTR})
_HOW = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL if hasattr(socket, "MSG_NOSIGNAL") else 0


class Stages:
    """Of one aircraft. `cameras`: the groups that share what memory the flight leaves.

    Each group has `ROOM` messages in turn: the `FIRST` of `COUNT` is sent next, and the last of them is open.
    """

    def __init__(self, cameras: Sequence[Group] = ()) -> None:
        words = np.zeros(HEAD_WORDS + len(Group) * STAGE_WORDS, np.int64)
        memory = np.zeros(MESSAGES * MESSAGE_MAX, np.uint8)
        self.address = int(words.ctypes.data)  # for C
        self._words, self._memory = words.data, memory.data
        self._times = self._words.cast("B").cast("d")
        self._said: deque[bytes] = deque()
        self._socket: socket.socket | None = None
        self._words[FD] = _NO_SOCKET
        self._at = {group: HEAD_WORDS + number * STAGE_WORDS for number, group in enumerate(Group)}
        self._begin = dict.fromkeys(self._at.values(), 0)  # of the memory of each
        shares = {Group.FLIGHT: MESSAGES_OF_FLIGHT}
        shares |= dict.fromkeys(cameras, (MESSAGES - MESSAGES_OF_FLIGHT) // max(1, len(cameras)))
        begin = 0
        for group, at in self._at.items():
            self._begin[at], self._words[at + MEMORY] = begin, int(memory.ctypes.data) + begin
            self._words[at + GROUP], self._words[at + ROOM] = group, shares.get(group, 0)
            begin += shares.get(group, 0) * MESSAGE_MAX

    def begin(self, began: float) -> None:
        """A session began: times are since then. What waits is of the one before; it is lost, and counted."""
        for at in self._at.values():
            lost = sum(self._count(at, message) for message in range(self._words[at + COUNT]))
            self._words[at + FIRST] = self._words[at + COUNT] = 0
            self._words[at + LOST] += lost
        self._times[BEGAN] = began

    def want(self, groups: Iterable[Group]) -> None:
        """These are recorded from now on, and no others."""
        wanted = {*groups}
        for group, at in self._at.items():
            self._words[at + WANTED] = group in wanted

    @staticmethod
    def place(group: Group) -> int:
        """Which of the stages in memory is that of the group, for C."""
        return [*Group].index(group)

    # --- 1: what came ---

    def add(self, group: Group, port: int, contents: Iterable[bytes | memoryview], now: float) -> None:
        """A record of each of them, read at `now`."""
        at, words = self._at[group], self._words
        if not words[at + WANTED]:
            return
        time_ns = self._time_ns(now)
        heads: dict[int, bytes] = {}
        parts: list[bytes | memoryview] = []
        room = self._left(at)
        for content in contents:
            size = len(content)
            if size + pcap.OVERHEAD > room:
                self._copy(at, parts)
                parts.clear()
                if size > CONTENT_MAX or not self._open(at):
                    words[at + LOST] += 1
                    room = self._left(at)
                    continue
                room = MESSAGE_MAX - HEAD.size
            if (head := heads.get(size)) is None:
                head = heads[size] = pcap.head(time_ns, port, size)
            parts += (head, content)
            room -= pcap.OVERHEAD + size
        self._copy(at, parts)

    def add_batch(self, group: Group, port: int, batch: Batch, now: float) -> None:
        """The datagrams of a batch that was just received."""
        self.add(group, port, (plain for plain, _ in batch.pieces(range(batch.count), HEADROOM)), now)

    def lose(self, group: Group, datagrams: int) -> None:
        """So many came and cannot be recorded."""
        if self._words[self._at[group] + WANTED]:
            self._words[self._at[group] + LOST] += datagrams

    def _time_ns(self, now: float) -> int:
        return max(0, int((now - self._times[BEGAN]) * _SECOND_NS))

    def _last(self, at: int) -> int:
        words = self._words
        return (words[at + FIRST] + words[at + COUNT] - 1) % words[at + ROOM]

    def _left(self, at: int) -> int:
        """Bytes of room in the open message; 0 if there is none."""
        return MESSAGE_MAX - self._words[at + SIZES + self._last(at)] if self._words[at + COUNT] else 0

    def _open(self, at: int) -> bool:
        """Open the next message, whose head says how many were lost before it. False if there is none."""
        words = self._words
        if words[at + COUNT] == words[at + ROOM]:
            return False
        words[at + COUNT] += 1
        last, lost = self._last(at), min(words[at + LOST], LOST_MAX)
        HEAD.pack_into(self._memory, self._begin[at] + last * MESSAGE_MAX, DATA, words[at + GROUP], 0, lost)
        words[at + SIZES + last] = HEAD.size
        words[at + LOST] -= lost
        return True

    def _copy(self, at: int, parts: Sequence[bytes | memoryview]) -> None:
        if parts:
            last, data = self._last(at), b"".join(parts)
            end = self._begin[at] + last * MESSAGE_MAX + self._words[at + SIZES + last]
            self._memory[end : end + len(data)] = data
            self._words[at + SIZES + last] += len(data)

    def _count(self, at: int, message: int) -> int:
        """The datagrams in this one of the messages that wait, and those that its head counts."""
        view = self._message(at, (self._words[at + FIRST] + message) % self._words[at + ROOM])
        return int(HEAD.unpack_from(view)[3]) + sum(1 for _ in pcap.read(view, HEAD.size))

    def _message(self, at: int, number: int) -> memoryview:
        begin = self._begin[at] + number * MESSAGE_MAX
        return self._memory[begin : begin + self._words[at + SIZES + number]]

    # --- 2: structures ---

    def connect(self, made: socket.socket | None) -> None:
        """Hand over to this socket from now on; None: to none, until the next call. Call it before a socket is closed.

        Structures that wait are forgotten: the next recorder has to be told everything.
        """
        self._socket = made
        self._said.clear()
        self._words[FD] = made.fileno() if made else _NO_SOCKET
        self._words[ERROR] = self._words[SAID] = 0

    @property
    def error(self) -> int:
        """The errno for which the socket takes nothing more; 0 if there is none."""
        return self._words[ERROR]

    def say(self, structure: bytes) -> None:
        """After what came before it; it waits before all that comes later."""
        if self._socket is not None:
            self._send_all(self._times[HANDED_AT])
            self._said.append(structure)
            self._words[SAID] = len(self._said)
            self._send_all(self._times[HANDED_AT])
            if len(self._said) > SAID_MAX:
                self._words[ERROR] = errno.ETIMEDOUT

    # --- 3: to the recorder ---

    def hand_over(self, now: float) -> None:
        """Call it after each turn."""
        if now - self._times[HANDED_AT] >= HAND_OVER_EVERY_S and self._socket is not None:
            self._send_all(now)

    def _send_all(self, now: float) -> None:
        """As much as the socket takes: structures, then each group."""
        while self._said:
            if not self._send(self._said[0]):
                return
            self._said.popleft()
            self._words[SAID] = len(self._said)
        for at in self._at.values():
            while self._waits(at):
                if not self._send(self._message(at, self._words[at + FIRST])):
                    return
                self._sent(at)
                self._times[HANDED_AT] = now

    def waiting(self, group: Group) -> int:
        """How many messages of it wait."""
        return self._words[self._at[group] + COUNT]

    def take(self, group: Group) -> tuple[list[bytes], int]:
        """What waits of a group that is handed over to no socket: records in a row, and how many were lost on the way."""
        at, found, lost = self._at[group], list[bytes](), 0
        while self._waits(at):
            view = self._message(at, self._words[at + FIRST])
            lost += HEAD.unpack_from(view)[3]
            found.append(bytes(view[HEAD.size :]))
            self._sent(at)
        return found, lost

    def _waits(self, at: int) -> bool:
        """Whether there is a message; one without records if some were lost and nothing came after them."""
        words = self._words
        return words[at + COUNT] > 0 or (words[at + LOST] > 0 and self._open(at))

    def _sent(self, at: int) -> None:
        """The memory of the first message is free; the same memory is used again if nothing else waits."""
        words = self._words
        words[at + COUNT] -= 1
        words[at + FIRST] = (words[at + FIRST] + 1) % words[at + ROOM] if words[at + COUNT] else 0

    def _send(self, message: bytes | memoryview) -> bool:
        if self._socket is None or self._words[ERROR]:
            return False
        try:
            self._socket.send(message, _HOW)
        except OSError as error:
            if error.errno not in _NOT_NOW:
                self._words[ERROR] = error.errno or errno.EIO
            return False
        return True
