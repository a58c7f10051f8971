"""Where processes write: a terminal and a pipe, each of which can be made to stand still."""

from __future__ import annotations

import contextlib
import os
import pty
import sys
import termios
from pathlib import Path


class _Output:
    """`path` is its name."""

    path: str

    def words(self) -> tuple[str, ...]:
        """What runs a program so that it writes there, standard output and errors."""
        return ("sh", "-c", f'exec "$@" >{self.path} 2>&1', "sh")


class Terminal(_Output):
    """A pseudo-terminal."""

    def __init__(self) -> None:
        self._master, self._slave = pty.openpty()
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)

    def stop(self) -> None:
        """As Ctrl-S does."""
        termios.tcflow(self._slave, termios.TCOOFF)

    def go(self) -> None:
        termios.tcflow(self._slave, termios.TCOON)

    def text(self) -> str:
        """What has come since the last call."""
        return read_all(self._master)

    def close(self) -> None:
        os.close(self._slave)
        os.close(self._master)


class Background(Terminal):
    """A pseudo-terminal that stops what writes in its background (stty tostop), and the program is in it."""

    def words(self) -> tuple[str, ...]:
        return (sys.executable, "-c", _IN_THE_BACKGROUND, self.path)


_IN_THE_BACKGROUND = """
import os, signal, sys, termios
os.setsid()
terminal = os.open(sys.argv[1], os.O_RDWR)  # that of this session from now on, and this process is in its foreground
modes = termios.tcgetattr(terminal)
modes[3] |= termios.TOSTOP
termios.tcsetattr(terminal, termios.TCSANOW, modes)
child = os.fork()
if child == 0:
    os.setpgid(0, 0)
    os.dup2(terminal, 1)
    os.dup2(terminal, 2)
    os.execv(sys.argv[2], sys.argv[2:])
signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


class Pipe(_Output):
    """A named one, with as much room as the system gives."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "pipe")
        os.mkfifo(self.path)
        self._reader = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        self._writer = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        self._kept = ""

    def stop(self) -> None:
        """Full to the last byte: for the processes it is blocking."""
        for size in (4096, 1):
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(self._writer, b"." * size)

    def go(self) -> None:
        self._kept += read_all(self._reader)

    def text(self) -> str:
        kept, self._kept = self._kept, ""
        return kept + read_all(self._reader)

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)


def read_all(descriptor: int) -> str:
    out = b""
    with contextlib.suppress(BlockingIOError):
        while some := os.read(descriptor, 1 << 16):
            out += some
    return out.decode()
