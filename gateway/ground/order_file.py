"""Order file: an order on disk that somebody may replace while a program runs.

What lives here: noticing that. What an order says, and whether it is accepted, is keys'.
"""

from __future__ import annotations

from pathlib import Path

from keys.folders import files
from keys.folders.files import Kind


def read(path: str) -> bytes:
    """The bytes of an order file; WrongFile or MissingFile if it is something else."""
    return files.read(Kind.ORDER, Path(path))


class OrderFile:
    """That was read before this is made counts as unseen: another file may have come under its name since then."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._seen: tuple[int, ...] | None = None

    def changed(self) -> bytes | None:
        """The bytes of another file than last time; None while it is the same or away. FolderError until it can be read."""
        found = self._look()
        if found in (None, self._seen):
            return None
        data = read(self.path)
        self._seen = found
        return data

    def look_again(self) -> None:
        """Take the file for another one, though it may be the same."""
        self._seen = None

    def _look(self) -> tuple[int, ...] | None:
        try:
            info = Path(self.path).stat()
        except OSError:
            return None
        return info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns
