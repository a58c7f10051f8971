"""Output: reads a pipe of a child without waiting, at no more than a rate, and keeps the last line of its errors.

What lives here: one pipe in asyncio, the last line. A child that writes without end takes no memory, no log and little of
the processor: it waits until more may be read.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from gateway.sources.allowance import AGAIN_S, Allowance
from keys.printable import printable

CHUNK = 1 << 16
ERRORS_PER_S = 1 << 20  # bytes
LINE_MAX = 300  # characters
HIDDEN = "***"


class Pipe:
    """`take` gets what was read; `ended` becomes True when the child has closed it."""

    def __init__(self, fd: int, take: Callable[[bytes], None], per_s: int) -> None:
        self._fd, self._take, self._allowance = fd, take, Allowance(per_s)
        self._loop = asyncio.get_running_loop()
        self._again: asyncio.TimerHandle | None = None
        self.ended = False
        self._loop.add_reader(fd, self._read)

    def _read(self) -> None:
        if self._allowance.is_left():
            self._read_chunk()
        else:
            self._loop.remove_reader(self._fd)
            self._again = self._loop.call_later(AGAIN_S, self._resume)

    def _read_chunk(self) -> None:
        try:
            data = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._allowance.use(len(data))
        if data:
            self._take(data)
        else:
            self.ended = True
            self._loop.remove_reader(self._fd)

    def _resume(self) -> None:
        self._again = None
        self._loop.add_reader(self._fd, self._read)

    def close(self) -> None:
        """Read no more. What is left is lost, but for the last errors."""
        if self._again is not None:
            self._again.cancel()
        self._loop.remove_reader(self._fd)

    def rest(self) -> None:
        """Once more, after the child has ended."""
        if not self.ended:
            self._read_chunk()


class LastLine:
    """The last line with a text of what was fed. `secrets` are hidden in it."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        self._secrets = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
        self._line = self._begun = b""

    def feed(self, data: bytes) -> None:
        keep = LINE_MAX * 4 + max((len(secret) for secret in self._secrets), default=0)
        *whole, begun = (self._begun + data).replace(b"\r", b"\n").split(b"\n")
        self._begun = begun[:keep]
        self._line = next((line[:keep] for line in reversed(whole) if line.strip()), self._line)

    def __str__(self) -> str:
        text = (self._begun if self._begun.strip() else self._line).decode(errors="replace").strip()
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return printable(text, LINE_MAX)
