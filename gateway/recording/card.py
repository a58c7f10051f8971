"""Card: the files of a memory card, of its mounted image, or of a copy. Nothing is ever written there.

What lives here: finding the sessions, and reading a file whose length and content an attacker may have chosen. What must
not: what the bytes mean. Every open is for reading alone, follows no symbolic link at a file or its folder, waits for no
pipe, and where the system permits it leaves the time of the last access as it was. What the card does not give back is an
OSError.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from gateway.errors import CardError
from gateway.recording import paths

PLACES = ("", "recordings", "zegel/recordings", "lib/zegel/recordings", "var/lib/zegel/recordings")  # on a card or its root
READ_MAX = 64 << 20  # bytes of one file that is read whole; a log of a week has less
_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_CAUTIOUS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_NO_TIME = getattr(os, "O_NOATIME", 0)
_FOLDER = getattr(os, "O_DIRECTORY", 0)
MOUNT = "mount it for reading: sudo mount -o ro,loop,noload {path} /mnt; then name /mnt"


def sessions(card: Path) -> list[Path]:
    """The folders of the sessions. CardError says what else is there instead."""
    with _told(card):
        card = card.resolve()
        if not stat.S_ISDIR(card.stat().st_mode):
            raise CardError(f"{card} is not a folder", hint=f"if it is an image or a device, {MOUNT.format(path=card)}")
        if paths.session_id(card.name) is not None:
            return [card]
        names(card)  # may this user read it at all
    found = {session.resolve() for place in _places(card) for session in _sessions(place)}
    found = {real for real in found if paths.session_id(real.name) and real.is_relative_to(card)}  # links lead anywhere
    if not found:
        raise CardError(
            f"{card} holds no recording", hint="name the folder in which session-… is, or what the card is mounted on"
        )
    return sorted(found)


def _places(card: Path) -> Iterator[Path]:
    yield from (card / place for place in PLACES)
    with contextlib.suppress(OSError):  # copies of several cards, side by side
        yield from (card / name for name in names(card))


def _sessions(place: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from (place / name for name in names(place) if paths.session_id(name) is not None)


@contextlib.contextmanager
def _told(card: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise CardError(f"{card} does not exist", hint="check the path, and whether the card is mounted") from None
    except PermissionError:
        raise CardError(
            f"{card} cannot be read by this user", hint="call it with sudo, or make a copy that you may read"
        ) from None


def names(folder: Path) -> list[str]:
    """What is in a folder, sorted. OSError."""
    if not _FOLDER:  # Windows opens no folder
        return sorted(path.name for path in folder.iterdir())
    handle = _open(folder, _FOLDER)
    try:
        with os.scandir(handle) as entries:
            return sorted(entry.name for entry in entries)
    finally:
        os.close(handle)


def read(path: Path) -> bytes:
    """A whole file, at most READ_MAX of it. OSError."""
    with File(path) as file:
        return file.read(0, min(file.size, READ_MAX))


def size(path: Path) -> int:
    """Bytes of a file. OSError, also if it is none."""
    with File(path) as file:
        return file.size


class File:
    """One open file. OSError if it is not a plain file, and whenever the card does not answer."""

    def __init__(self, path: Path) -> None:
        self._handle = _open_in(path)
        info = os.fstat(self._handle)
        if not stat.S_ISREG(info.st_mode):
            os.close(self._handle)
            raise OSError(f"{path} is not a file")
        self.size = info.st_size

    def read(self, at: int, size: int) -> bytes:
        """`size` bytes from `at` on, or fewer at the end of the file."""
        found = b""
        while len(found) < size and (more := _read_at(self._handle, size - len(found), at + len(found))):
            found = found + more if found else more
        return found

    def __enter__(self) -> File:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)


def _seek_and_read(handle: int, size: int, at: int) -> bytes:
    os.lseek(handle, at, os.SEEK_SET)
    return os.read(handle, size)


_read_at: Callable[[int, int, int], bytes] = getattr(os, "pread", _seek_and_read)  # Windows has no pread


def _open_in(path: Path) -> int:
    """The file of a folder that is itself no link: on a card either may lead to another place of this computer."""
    if os.open not in os.supports_dir_fd:  # Windows
        return _open(path)
    folder = _open(path.parent, _FOLDER)
    try:
        return _open(Path(path.name), within=folder)
    finally:
        os.close(folder)


def _open(path: Path, more: int = 0, within: int | None = None) -> int:
    try:
        return os.open(path, _READ | _CAUTIOUS | _NO_TIME | more, dir_fd=within)
    except PermissionError:  # only the owner of a file may leave its time alone: open(2)
        return os.open(path, _READ | _CAUTIOUS | more, dir_fd=within)
