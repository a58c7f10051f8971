"""Keyboard: single keys of the terminal, which is left as it was, however the program ends.

What lives here: the terminal's mode, and which bytes a key is. What must not: what a key does. Without a terminal there is
no key.
"""

from __future__ import annotations

import contextlib
import enum
import os
import select
import signal
import sys
import time
from collections.abc import Iterator

if sys.platform != "win32":
    import termios
    import tty


class Key(enum.Enum):
    """A key that has an effect."""

    PAUSE = enum.auto()
    BACK = enum.auto()
    FORWARD = enum.auto()
    END = enum.auto()


_KEYS = {b" ": Key.PAUSE, b"q": Key.END, b"\x1b[D": Key.BACK, b"\x1b[C": Key.FORWARD}
_KEYS |= {b"\x1bOD": Key.BACK, b"\x1bOC": Key.FORWARD}  # where the terminal is in application mode
READ_SIZE = 64
_ENDS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT) if sys.platform != "win32" else ()


class Keyboard:
    """`opened` makes one."""

    def __init__(self, handle: int | None) -> None:
        self._handle = handle
        self._read = b""

    @property
    def there(self) -> bool:
        return self._handle is not None

    def wait(self, seconds: float) -> Key | None:
        """The next key within this time; None if there was none."""
        if self._handle is None:
            time.sleep(max(0.0, seconds))
            return None
        if not self._read and select.select([self._handle], [], [], max(0.0, seconds))[0]:
            with contextlib.suppress(OSError):
                self._read = os.read(self._handle, READ_SIZE)
            if not self._read:  # the terminal is gone
                self._handle = None
        return self._next()

    def _next(self) -> Key | None:
        """Of what was read; bytes that are no key are skipped."""
        while self._read:
            for form, key in _KEYS.items():
                if self._read.startswith(form):
                    self._read = self._read[len(form) :]
                    return key
            self._read = self._read[1:]
        return None


@contextlib.contextmanager
def opened() -> Iterator[Keyboard]:
    """Single keys without echo, from here on. A signal ends the program as Ctrl-C does, so that the mode is restored."""
    if sys.platform == "win32" or not (sys.stdin and sys.stdin.isatty() and sys.stdout.isatty() and _is_in_front()):
        yield Keyboard(None)
        return
    handle = sys.stdin.fileno()
    before = termios.tcgetattr(handle)

    def stop(*_: object) -> None:
        """Ctrl-Z: the shell gets its terminal, and single keys come back with the program."""
        termios.tcsetattr(handle, termios.TCSANOW, before)
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, stop)
        tty.setcbreak(handle, termios.TCSANOW)

    kept = {number: signal.getsignal(number) for number in (*_ENDS, signal.SIGTSTP)}
    try:
        for number in _ENDS:
            signal.signal(number, signal.default_int_handler)
        signal.signal(signal.SIGTSTP, stop)
        tty.setcbreak(handle, termios.TCSANOW)
        yield Keyboard(handle)
    finally:
        with contextlib.suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(handle, termios.TCSANOW, before)
        for number, handler in kept.items():
            signal.signal(number, handler)


def _is_in_front() -> bool:
    """Behind a shell's `&` the terminal is another program's, and setting its mode would stop this one."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:  # not the terminal of this session, so no shell uses it
        return True
