"""Two pseudo-terminals and the pace of a real serial radio between them, which pseudo-terminals alone do not have."""

from __future__ import annotations

import contextlib
import os
import time
import tty
from pathlib import Path

BITS_A_BYTE = 10  # a start and a stop bit
BURST = 64  # bytes; as the buffers of a UART
HELD_MAX = 1024  # bytes the radio itself holds; then its line is full


class SerialRadio:
    """`near` and `far` are the paths of its two ends; `step` moves what `baud` allows since the last call."""

    def __init__(self, folder: Path, baud: int) -> None:
        self.bytes_per_s = baud / BITS_A_BYTE
        self.near, self.far = folder / "ttyNear", folder / "ttyFar"
        self._ends: list[tuple[int, int] | None] = [None, None]  # ours, and theirs, or ours would end with the program's
        for end in range(2):
            self.plug(end)
        self._held = [b"", b""]  # by the end that it came in by
        self.moved = [0, 0]
        self._allowed = [0.0, 0.0]
        self._at = time.monotonic()

    def plug(self, end: int) -> None:
        """A new device under the same name."""
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        os.set_blocking(ours, False)
        (self.near, self.far)[end].symlink_to(os.ttyname(theirs))
        self._ends[end] = ours, theirs

    def unplug(self, end: int) -> None:
        (self.near, self.far)[end].unlink(missing_ok=True)
        for fd in self._ends[end] or ():
            os.close(fd)
        self._ends[end] = None

    def step(self) -> None:
        now = time.monotonic()
        for i, (into, out) in enumerate((self._ends, self._ends[::-1])):
            with contextlib.suppress(BlockingIOError):
                room = HELD_MAX - len(self._held[i])
                self._held[i] += os.read(into[0], room) if into and room else b""
            self._allowed[i] = min(BURST, self._allowed[i] + (now - self._at) * self.bytes_per_s)
            size = min(int(self._allowed[i]), len(self._held[i]))
            with contextlib.suppress(BlockingIOError):
                size = os.write(out[0], self._held[i][:size]) if out else size  # what nobody hears is gone
                self._held[i] = self._held[i][size:]
                self._allowed[i] -= size
                self.moved[i] += size
        self._at = now

    def close(self) -> None:
        for end in range(2):
            self.unplug(end)
