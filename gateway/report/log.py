"""Log: lines for the person at the terminal or for the journal. `say` never waits.

Writing blocks if a terminal is stopped (Ctrl-S), if nothing reads a pipe, or if the network under ssh is down. So a thread
of its own writes, and `say` only queues the line. Lines that do not fit the short queue are left out and counted, and the
count is printed when the output goes on. If the card is full or the pipe is closed, the line is lost.

A link that comes and goes all day must not fill the journal over months: of each text, and of all together, a few lines are
written at once and then one line in a while.

Each line begins with the local time, unless it goes to the journal, which adds its own.

The descriptors stay blocking: O_NONBLOCK would also change them for the shell and every other program that shares them.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import io
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import TextIO

from keys.printable import printable

LINES_MAX = 256  # that wait to be written
LINE_MAX = 1000  # characters of one line
END_WITHIN_S = 0.5  # how long a stopped terminal may delay the end of the process
AGAIN_S = 0.1  # pause, if another program has made the descriptor non-blocking and it is full
SAME_AT_ONCE, SAME_EVERY_S = 5, 600.0  # of lines with one text
ALL_AT_ONCE, ALL_EVERY_S = 1000, 10.0  # of all lines together: limits a fault that prints without end, and no normal use
TEXTS_MAX = 256

Write = Callable[[bytes], None]


def say(role: str, text: str) -> None:
    """Print one line, escaped. Lines that repeat too often are left out and counted."""
    line = _limiter.admit(printable(text, LINE_MAX), time.monotonic())
    if line is not None:
        _writer.put(f"{_time()}{role}: {line}")


def _time() -> str:
    return "" if _is_journal() else time.strftime("%H:%M:%S ")


@functools.cache
def _is_journal() -> bool:
    """Whether the standard output is the stream that systemd names (systemd.exec(5)); its children inherit the variable."""
    try:
        here = os.fstat(_output().fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{here.st_dev}:{here.st_ino}"


def flush() -> None:
    """Wait until all lines are written, but no longer than END_WITHIN_S."""
    _writer.flush(END_WITHIN_S)


@contextlib.contextmanager
def by_queue() -> Iterator[None]:
    """Within, what Python itself writes (warnings, tracebacks of threads) goes to the queue too, and blocks nothing."""
    with contextlib.redirect_stdout(_Lines()), contextlib.redirect_stderr(_Lines()):
        yield


class Writer:
    """The queue and its thread. `put` never waits; `write` is called in the thread and may block."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._lines: SimpleQueue[str] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()  # between threads that call `put`; the writing thread does not take it
        self._taken = self._left_out = 0  # counts of lines, changed by `put` only
        self._done = self._failed = self._told = 0  # changed by the writing thread only

    def put(self, line: str) -> None:
        """Queue the line, or leave it out."""
        with self._lock:
            if self._lines.qsize() >= LINES_MAX or not self._runs():
                self._left_out += 1
                return
            self._taken += 1
            self._lines.put(line)

    def flush(self, within_s: float) -> None:
        until = time.monotonic() + within_s
        while self._done < self._taken and time.monotonic() < until:
            time.sleep(0.001)

    def _runs(self) -> bool:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="log", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no memory for its stack; a later attempt may succeed
                return False
            self._thread = thread
        return True

    def _run(self) -> None:
        while True:
            line = self._lines.get()
            try:
                if lost := self._left_out + self._failed - self._told:
                    self._write(f"({lost} lines were left out: the output stood still)\n".encode())
                    self._told += lost
                self._write(f"{line}\n".encode())
            except (OSError, ValueError):
                self._failed += 1
            self._done += 1


def _output() -> TextIO:
    out: TextIO | None = sys.__stdout__
    if out is None:
        raise OSError("started without a standard output")
    return out


def _to_output(data: bytes) -> None:
    # Not print: Python would write the rest of its buffer at exit, and the program would fail then.
    out = _output()
    while data:
        try:
            data = data[os.write(out.fileno(), data) :]
        except BlockingIOError:
            time.sleep(AGAIN_S)


class _Lines(io.TextIOBase):
    """A text stream that queues each whole line."""

    def __init__(self) -> None:
        self._begun = ""

    def write(self, text: str) -> int:
        *whole, self._begun = (self._begun + text).split("\n")
        self._begun = self._begun[:LINE_MAX]
        for line in whole:
            _writer.put(printable(line, LINE_MAX))
        return len(text)


# --- lines that repeat ---


class _Bucket:
    def __init__(self, at_once: int, every_s: float, now: float) -> None:
        self._at_once, self._every_s = at_once, every_s
        self._left, self._at = float(at_once), now
        self.left_out = 0

    def allow(self, now: float) -> bool:
        self._left = min(self._at_once, self._left + (now - self._at) / self._every_s)
        self._at = now
        if self._left < 1:
            self.left_out += 1
            return False
        self._left -= 1
        return True


class LogLimiter:
    """Which lines are written. `now` is the caller's monotonic clock, in seconds."""

    def __init__(self) -> None:
        self._texts: dict[str, _Bucket] = {}
        self._all = _Bucket(ALL_AT_ONCE, ALL_EVERY_S, 0.0)

    def admit(self, text: str, now: float) -> str | None:
        """The line to write: `text`, and how many lines were left out before it; None if this one is left out."""
        bucket = self._texts.pop(text, None) or _Bucket(SAME_AT_ONCE, SAME_EVERY_S, now)
        self._texts[text] = bucket  # the newest last
        if len(self._texts) > TEXTS_MAX:
            self._texts.pop(next(iter(self._texts)))
        if not bucket.allow(now):
            return None
        if not self._all.allow(now):
            return None
        notes = [f"{bucket.left_out} more like this were left out"] if bucket.left_out else []
        notes += [f"{self._all.left_out} other lines were left out"] if self._all.left_out else []
        bucket.left_out = self._all.left_out = 0
        return f"{text} ({', '.join(notes)})" if notes else text


_limiter = LogLimiter()
_writer = Writer(_to_output)
atexit.register(flush)
