"""Disk: every call of the recorder to the disk, so that a model can replace it (tests/disk_model.py).

Paths are whole, files are handles. Each call may raise OSError, and each may stand still for seconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

FOLDER_MODE, FILE_MODE = 0o700, 0o600
PIECES_MAX = 512  # of one call; the system takes 1,024
_CAUTIOUS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe that somebody put there is an error, not a wait
_WRITE = os.O_WRONLY | os.O_CREAT | _CAUTIOUS
_READ = os.O_RDONLY | _CAUTIOUS


class Disk:
    """The real one."""

    def __init__(self) -> None:
        self._syncfs = _syncfs()
        self._handles: set[int] = set()

    def make_folder(self, path: Path) -> None:
        """One that exists is no error; one whose parent does not exist is, and a link in the place of either."""
        _require_folder(path.parent)
        with contextlib.suppress(FileExistsError):
            path.mkdir(FOLDER_MODE)
        _require_folder(path)

    def is_mount(self, path: Path) -> bool:
        """Whether a card of its own is here."""
        return path.is_mount()

    def read(self, path: Path, most: int) -> bytes | None:
        """The first `most` bytes of a file; None if there is no such file."""
        try:
            handle = os.open(path, _READ)
        except FileNotFoundError:
            return None
        with os.fdopen(handle, "rb") as file:
            return file.read(most)

    def open(self, path: Path) -> int:
        """To write; made if there is none."""
        handle = os.open(path, _WRITE, FILE_MODE)
        self._handles.add(handle)
        return handle

    def write(self, handle: int, at: int, pieces: Sequence[bytes]) -> None:
        """All of these, one after another, from this offset on."""
        for first in range(0, len(pieces), PIECES_MAX):
            some = pieces[first : first + PIECES_MAX]
            size, written = sum(map(len, some)), os.pwritev(handle, some, at)
            while written < size:  # the disk is nearly full, or a signal came
                written += os.pwrite(handle, b"".join(some)[written:], at + written)
            at += size

    def cut(self, handle: int, size: int) -> None:
        """The file ends here."""
        os.ftruncate(handle, size)

    def reserve(self, handle: int, size: int) -> None:
        """The file has at least this size, and what is new of it is zeros that have their place on the disk."""
        os.posix_fallocate(handle, 0, size)

    def start_writing(self, handle: int, at: int, size: int) -> None:
        """The system begins to write this part, and need not remember it; nothing waits for that."""
        with contextlib.suppress(OSError):
            os.posix_fadvise(handle, at, size, os.POSIX_FADV_DONTNEED)

    def sync_all(self, handles: Iterable[int], folders: Iterable[Path]) -> None:
        """What was written to these files, and their names in these folders, is on the disk: one call if it can be."""
        handles = list(handles)
        if self._syncfs and handles:
            self._syncfs(handles[0])
            return
        for handle in handles:
            os.fsync(handle)
        for folder in folders:
            opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(opened)
            finally:
                os.close(opened)

    def sync_data(self, handle: int) -> None:
        """What was written to this file is on the disk."""
        os.fdatasync(handle)

    def close(self, handle: int) -> None:
        """The handle is gone in any case; what counts was synced before."""
        self._handles.discard(handle)
        with contextlib.suppress(OSError):
            os.close(handle)

    def close_all(self) -> None:
        """Every handle that is still open, as after an error."""
        for handle in list(self._handles):
            self.close(handle)

    def room(self, folder: Path) -> int:
        """Bytes that may still be written here."""
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize


def _require_folder(path: Path) -> None:
    """Where others may write too, a link could lead anywhere that the recorder may write."""
    if not stat.S_ISDIR(path.lstat().st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "a link or file is in the place of a folder", str(path))


def _syncfs() -> Callable[[int], None] | None:
    """syncfs(2), which Python does not have; None where the C library has none. It reports errors from Linux 5.8 on."""
    with contextlib.suppress(OSError, AttributeError):
        function = ctypes.CDLL(None, use_errno=True).syncfs

        def syncfs(handle: int) -> None:
            if function(handle):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))

        return syncfs
    return None
