"""LeafLog: leaves.cbor of one session, on the disk. SPEC.md sections 8 and 9.

Leaves are written together or not at all. Those of one `append` begin in one block of BLOCK bytes, which the disk writes
whole; what they have beyond it is written before, and synced, while a zero in front of it still ends the log.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gateway.recording import leaf
from gateway.recording.disk import Disk
from gateway.recording.leaf import Leaf

BLOCK = 4096  # bytes: a page, which no file system writes in part
RESERVE = 65_536  # bytes of zeros ahead
LOG_MAX = 1 << 26  # bytes that are read: a leaf of 500 bytes a second for a day


class LeafLog:
    """The log, open to be continued. `found` are the leaves that were there."""

    def __init__(self, disk: Disk, path: Path) -> None:
        """OSError."""
        self._disk = disk
        data = disk.read(path, LOG_MAX) or b""
        scanned = list(leaf.scan(data))
        self.found = [one for one, _ in scanned]
        self._end = self._reserved = scanned[-1][1] if scanned else 0
        self.handle = disk.open(path)
        disk.cut(self.handle, self._end)  # what an interrupted append left behind the end must not follow the next leaf
        # Once more, because after an error of the card the system may still show what the card does not have.
        disk.write(self.handle, 0, [data[: self._end]])

    def prepare(self, leaves: Iterable[Leaf]) -> bytes:
        """Write all but the beginning of these leaves. The caller syncs, and then calls `commit` with the result."""
        data = b"".join(map(leaf.encode, leaves))
        if self._end + len(data) >= self._reserved:
            self._reserved = (self._end + len(data) + RESERVE) // RESERVE * RESERVE
            self._disk.reserve(self.handle, self._reserved)
        if beyond := data[self._in_block() :]:
            self._disk.write(self.handle, self._end + self._in_block(), [beyond])
        return data

    def commit(self, data: bytes) -> None:
        """The leaves count when this returns."""
        self._disk.write(self.handle, self._end, [data[: self._in_block()]])
        self._disk.sync_data(self.handle)
        self._end += len(data)

    def is_empty(self) -> bool:
        """Whether no leaf is in it yet."""
        return self._end == 0

    def _in_block(self) -> int:
        """Bytes that are left in the block in which the log ends."""
        return BLOCK - self._end % BLOCK
