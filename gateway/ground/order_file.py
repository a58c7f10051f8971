"""Order file: an order on disk that somebody may replace while a program runs.

What lives here: noticing the replacement. What an order means, and whether it is accepted, is decided in keys/.
"""

from __future__ import annotations

from pathlib import Path

from keys.folders import files
from keys.folders.files import Kind


def read(path: str) -> bytes:
    """The bytes of an order file; WrongFile or MissingFile if it is something else."""
    return files.read(Kind.ORDER, Path(path))


class OrderFile:
    """A file that was read before this object is made counts as unseen, since it may have been replaced meanwhile."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._seen: tuple[int, ...] | None = None

    def changed(self) -> bytes | None:
        """The bytes of the file if it was replaced since the last call; else None. FolderError while it cannot be read."""
        found = self._look()
        if found in (None, self._seen):
            return None
        data = read(self.path)
        self._seen = found
        return data

    def look_again(self) -> None:
        """Read the file again at the next call, even if it is the same."""
        self._seen = None

    def _look(self) -> tuple[int, ...] | None:
        try:
            info = Path(self.path).stat()
        except OSError:
            return None
        return info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns
