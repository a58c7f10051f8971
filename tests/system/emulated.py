"""A terminal whose screen a test reads: a pseudo-terminal, and an emulator of somebody else behind it (pyte)."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping

import pyte

CTRL_C = b"\x03"
# A program that `subprocess` starts has no terminal of its own, and Ctrl-C is a signal only to one that has.
_IN_IT = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)  # it is ignored where make test runs in a shell's background
os.setsid()
terminal = os.open(sys.argv[1], os.O_RDWR)
for standard in range(3):
    os.dup2(terminal, standard)
os.execv(sys.argv[2], sys.argv[2:])
"""


class Emulated:
    """A terminal of `columns` by `rows` in which one `zegel` runs."""

    def __init__(self, *words: str, columns: int = 80, rows: int = 24, env: Mapping[str, str] = os.environ) -> None:
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (rows, columns))
        os.set_blocking(self._master, False)
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""
        command = [sys.executable, "-c", _IN_IT, os.ttyname(slave), sys.executable, "-m", "gateway.cli", *words]
        self.process = subprocess.Popen(command, env={**env, "TERM": "xterm-256color", "COLUMNS": "", "LINES": ""})
        self._slave = slave

    def lines(self) -> list[str]:
        """What a person sees now."""
        with contextlib.suppress(BlockingIOError):
            while some := os.read(self._master, 1 << 16):
                self.raw += some
                self._stream.feed(some)
        return [line.rstrip() for line in self._screen.display]

    def says(self, text: str, seconds: str = "") -> bool:
        """Whether it is on the screen, wherever the lines are broken. `seconds` in it stands for any number of them."""
        pattern = re.escape(text).replace(seconds, r"\d+ seconds") if seconds else re.escape(text)
        return bool(re.search(pattern, " ".join(" ".join(self.lines()).split())))

    def press(self, key: bytes) -> None:
        os.write(self._master, key)

    def ends(self, within_s: float = 20.0) -> int:
        """The exit code."""
        self.process.wait(within_s)
        self.lines()
        return self.process.returncode

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)
        os.close(self._slave)


def until(done: Callable[[], bool], within_s: float = 30.0) -> bool:
    limit = time.monotonic() + within_s
    while time.monotonic() < limit:
        if done():
            return True
        time.sleep(0.02)
    return False
