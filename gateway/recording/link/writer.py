"""Writer: a link recording is written by a thread of its own, so that a ground waits for no disk. SPEC.md section 8.1.

The flow:
  1  `add`, `say`   by the loop: records wait in memory, QUEUE_MAX bytes at most; a datagram that finds no room is counted
  2  `_run`         by the thread: it takes all that waits, a few times a second, or as soon as it is much
  3  `_write`       to the files (files.py); what the disk does not take is lost, and said there as soon as it takes more
What must not live here: keys, sockets, what a datagram means.
"""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import NamedTuple

from gateway import clock
from gateway.recording import pcap
from gateway.recording.link.files import KEEP_FREE, Files
from gateway.recording.link.form import Lost, Start
from gateway.recording.reason import GapReason

QUEUE_MAX = 32 << 20  # bytes: disks stand still for seconds, and 20 Mbit/s fill it in 13 s
WRITE_EVERY_S, WRITE_FROM = 0.25, 1 << 20  # seconds, or bytes that wait
RETRY_EVERY_S = 2.0  # after the disk failed
END_WITHIN_S = 5.0


class _Waiting(NamedTuple):
    """Datagrams as records in a row; or an order."""

    data: bytes
    order_hash: str = ""

    @property
    def datagrams(self) -> int:
        """They are counted only if they are lost."""
        return 0 if self.order_hash else sum(1 for _ in pcap.read(self.data))


class Writer:
    """Of one start of a ground, into `folder`. `began`: the time 0 of its records, on gateway.clock.

    `trouble`: why nothing is written now, empty if it is. `lost`: datagrams that are not in it.
    """

    def __init__(self, folder: Path, start: Start, began: float, keep_free: int = KEEP_FREE) -> None:
        self._files = Files(folder, start, began, keep_free)
        self.trouble, self.lost = "", 0
        self._reason = GapReason.CARD_SLOW  # of what is lost next
        self._queue: list[_Waiting] = []
        self._waits = 0  # bytes in the queue, and with the thread
        self._unsaid = self._telling = 0  # of the lost ones, those that it does not tell yet; those that it is to tell now
        self._retry_at = 0.0
        self._changed, self._stop = threading.Condition(), False
        self._thread = threading.Thread(target=self._run, name="link-recording", daemon=True)
        self._thread.start()

    # --- 1: by the loop ---

    def add(self, records: bytes) -> None:
        """Datagrams as whole records in a row, at least one."""
        self._put(_Waiting(records))

    def lose(self, datagrams: int) -> None:
        """So many came after what was added last, and found no room on the way here."""
        with self._changed:
            self._lose(datagrams)

    def say(self, order_hash: str, order: bytes) -> None:
        """From now on this order is in force."""
        self._put(_Waiting(order, order_hash=order_hash))

    def _put(self, what: _Waiting) -> None:
        with self._changed:
            if not what.order_hash and self._waits + len(what.data) > QUEUE_MAX:
                self._lose(what.datagrams)
                return
            self._queue.append(what)
            self._waits += len(what.data)
            if self._waits >= WRITE_FROM:
                self._changed.notify()

    def _lose(self, datagrams: int) -> None:
        self.lost += datagrams
        self._unsaid += datagrams

    @property
    def written(self) -> int:
        """Bytes."""
        return self._files.written

    def end(self) -> None:
        """Write what waits; a disk that does not answer is left alone."""
        with self._changed:
            self._stop = True
            self._changed.notify()
        self._thread.join(END_WITHIN_S)

    # --- 2: by the thread ---

    def _run(self) -> None:
        stopping = False
        while not stopping:
            with self._changed:
                self._changed.wait_for(lambda: self._stop or self._waits >= WRITE_FROM, WRITE_EVERY_S)
                taken, self._queue, stopping = self._queue, [], self._stop
                self._telling, self._unsaid = self._telling + self._unsaid, 0
            self._try(taken)
        self._files.close()

    def _try(self, taken: list[_Waiting]) -> None:
        size = sum(len(each.data) for each in taken)
        try:
            if clock.now() >= self._retry_at:
                self._write(taken)
        except Exception as error:  # whatever it is, the flight goes on
            self._fail(error)
        with self._changed:
            self._waits -= size
            self._lose(sum(each.datagrams for each in taken))
        self._use_orders(taken)

    # --- 3: to the disk ---

    def _write(self, taken: list[_Waiting]) -> None:
        """What is written is taken out of `taken`."""
        if taken or self._telling or self.trouble:
            self._files.require_room()
        if self._telling:
            self._files.say(Lost(self._telling, self._reason))
            self._telling = 0
        while taken:
            first = taken[0]
            if first.order_hash:
                self._files.use(first.order_hash, first.data)
            else:
                self._files.append(first.data)
                self._files.at_ns = next(pcap.read(first.data)).time_ns
            taken.pop(0)
        self._files.sync()
        self.trouble, self._reason = "", GapReason.CARD_SLOW

    def _fail(self, error: Exception) -> None:
        full = isinstance(error, OSError) and error.errno == errno.ENOSPC
        self._reason = GapReason.CARD_FULL if full else GapReason.CARD_FAILED
        self.trouble = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        self._retry_at = clock.now() + RETRY_EVERY_S
        self._files.close()

    def _use_orders(self, left: list[_Waiting]) -> None:
        """Orders that came while nothing was written are in the next file; there is none open."""
        for each in left:
            if each.order_hash:
                self._files.use(each.order_hash, each.data)
