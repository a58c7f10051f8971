"""Order file: an order on disk that somebody may replace while a program runs.

What lives here: noticing that. What an order says, and whether it is accepted, is keys'.
"""

from __future__ import annotations

from pathlib import Path

from keys.errors import FolderError, WrongFile
from keys.folders import files
from keys.folders.files import Kind


def read(path: str) -> bytes:
    """The bytes of an order file; WrongFile or MissingFile if it is something else."""
    return files.read(Kind.ORDER, Path(path))


class OrderFile:
    def __init__(self, path: str) -> None:
        self.path = path
        self._seen = self._look()
        self._unread: tuple[object, str] | None = None  # what could not be read, and why: that was said

    def changed(self) -> bytes | None:
        """The bytes of another file than last time; None while it is the same or away. FolderError, WrongFile.

        One that cannot be read is tried each time until it can, and is an error once.
        """
        found = self._look()
        if found in (None, self._seen):
            return None
        try:
            data = read(self.path)
        except WrongFile:
            self._seen = found
            raise
        except FolderError as error:
            unread, self._unread = self._unread, (found, str(error))
            if unread == self._unread:
                return None
            raise
        self._seen, self._unread = found, None
        return data

    def _look(self) -> tuple[int, ...] | None:
        try:
            info = Path(self.path).stat()
        except OSError:
            return None
        return info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns
