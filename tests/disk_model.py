"""A model of the disk: what is on it after a power cut is what was synced, and any part of the rest.

Files are pages of 4 KiB. Each page that was written since the last sync is, after the power cut, in any of its states since
then; a length is any of those that the file had; a name is there or not. A sync that fails keeps any of them, and forgets
that the others were ever written, while the system still shows them, as Linux does.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Iterable
from pathlib import Path

PAGE = 4096
ROOT = Path("/card")


class _File:
    def __init__(self) -> None:
        self.shown = bytearray()  # as programs see it
        self.pages: dict[int, list[bytes]] = {}  # page -> its states that the disk may have; the first is synced
        self.lengths = [0]

    def changed(self, first: int, last: int) -> None:
        for page in range(first // PAGE, (max(first, last - 1)) // PAGE + 1):
            state = bytes(self.shown[page * PAGE : (page + 1) * PAGE]).ljust(PAGE, b"\0")
            self.pages.setdefault(page, [bytes(PAGE)]).append(state)
        self.lengths.append(len(self.shown))

    def synced(self) -> None:
        self.pages = {page: states[-1:] for page, states in self.pages.items()}
        self.lengths = self.lengths[-1:]

    def forgotten(self, draw: random.Random) -> None:
        """A sync has failed."""
        self.pages = {page: [draw.choice(states)] for page, states in self.pages.items()}
        self.lengths = [draw.choice(self.lengths)]

    def survivor(self, draw: random.Random) -> bytes:
        size = draw.choice(self.lengths)
        pages = (draw.choice(self.pages.get(page, [bytes(PAGE)])) for page in range(-(-size // PAGE)))
        return b"".join(pages)[:size]


class DiskModel:
    """In place of gateway.recording.disk.Disk. `each` is called before every change; it may look, or raise OSError.

    `syncfs`: whether the system has it, or files and folders are synced one by one.
    """

    def __init__(self, seed: int, each: Callable[[], None] = lambda: None, *, syncfs: bool = True) -> None:
        self.draw, self.each, self.syncfs = random.Random(seed), each, syncfs
        self.names: dict[Path, _File | None] = {ROOT: None}  # None is a folder
        self.synced_names = {ROOT}
        self.handles: dict[int, tuple[Path, _File]] = {}
        self.free = 1 << 40
        self.syncs = 0
        self._next = 3

    # --- the calls of Disk ---

    def make_folder(self, path: Path) -> None:
        self.each()
        if path != ROOT:
            self._require(path.parent)
        self.names.setdefault(path, None)

    def is_mount(self, _: Path) -> bool:
        return False

    def read(self, path: Path, most: int) -> bytes | None:
        file = self.names.get(path)
        return bytes(file.shown[:most]) if file else None

    def open(self, path: Path) -> int:
        self.each()
        self._require(path.parent)
        file = self.names.setdefault(path, _File())
        assert file is not None
        self._next += 1
        self.handles[self._next] = path, file
        return self._next

    def write(self, handle: int, at: int, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self.each()
            _, file = self.handles[handle]
            file.shown.extend(bytes(max(0, at + len(piece) - len(file.shown))))
            file.shown[at : at + len(piece)] = piece
            if piece:
                file.changed(at, at + len(piece))
            at += len(piece)

    def cut(self, handle: int, size: int) -> None:
        self.each()
        _, file = self.handles[handle]
        before = len(file.shown)
        del file.shown[size:]
        file.shown.extend(bytes(size - len(file.shown)))
        if before > size:
            file.changed(size, before)
        file.lengths.append(size)

    def reserve(self, handle: int, size: int) -> None:
        self.each()
        _, file = self.handles[handle]
        file.shown.extend(bytes(max(0, size - len(file.shown))))
        file.lengths.append(len(file.shown))

    def start_writing(self, handle: int, at: int, size: int) -> None:
        assert handle in self.handles
        assert at + size <= len(self.handles[handle][1].shown)

    def sync_all(self, handles: Iterable[int], folders: Iterable[Path]) -> None:
        self.syncs += 1
        files = [self.handles[handle][1] for handle in handles]
        folders = set(folders)
        if self.syncfs:
            files = [file for file in self.names.values() if file]
        self._try(files)
        for file in files:
            file.synced()
        self.synced_names |= {path for path in self.names if self.syncfs or path.parent in folders}

    def sync_data(self, handle: int) -> None:
        self.syncs += 1
        _, file = self.handles[handle]
        self._try([file])
        file.synced()

    def close(self, handle: int) -> None:
        del self.handles[handle]

    def close_all(self) -> None:
        self.handles.clear()

    def room(self, _: Path) -> int:
        return self.free

    def _try(self, files: list[_File]) -> None:
        try:
            self.each()
        except OSError:
            for file in files:
                file.forgotten(self.draw)
            raise

    def _require(self, path: Path) -> None:
        if path not in self.names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))

    # --- the power cut ---

    def survivors(self) -> dict[Path, bytes | None]:
        """One of the states in which the card may be found now."""
        there = {path for path in self.names if path in self.synced_names or self.draw.random() < 0.5}
        return {
            path: file.survivor(self.draw) if file else None
            for path, file in sorted(self.names.items())
            if there.issuperset([path, *path.parents[: len(path.parts) - 2]])
        }


def lay_out(survivors: dict[Path, bytes | None], folder: Path) -> None:
    """As real files, for a reader."""
    for path, content in survivors.items():
        place = folder / path.relative_to(ROOT)
        if content is None:
            place.mkdir(exist_ok=True)
        else:
            place.write_bytes(content)
