"""Files: the files of a link recording, as one start of a ground writes them. SPEC.md section 8.1.

What lives here: when the next file begins, what each begins with, and syncing. What must not: threads, what waits.
Each call may stand still for seconds, and may raise OSError or FolderError.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from pathlib import Path

import msgspec

from gateway import clock
from gateway.recording import pcap
from gateway.recording.link import form
from gateway.recording.link.form import Event, Order, Start
from keys.folders import store

KEEP_FREE = 256 << 20  # bytes of the disk: what other programs need, and the station's own folder
SYNC_EVERY_S = 2.0
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class Files:
    """In `folder`, which is made if only it is missing. `began`: the time 0 of the records, on gateway.clock.

    `written`: bytes. `at_ns`: the time of the first record that was appended last.
    """

    def __init__(self, folder: Path, start: Start, began: float, keep_free: int) -> None:
        self._folder, self._start, self._began, self._keep_free = folder, start, began, keep_free
        self._name, self._number = os.urandom(form.START_SIZE).hex(), 0
        self._file, self._size = -1, 0
        self._order: tuple[str, bytes] | None = None
        self._synced_at, self._unsynced = 0.0, False
        self.written = self.at_ns = 0

    def append(self, data: bytes) -> None:
        """Whole records."""
        if self._file >= 0 and self._size + len(data) > form.FILE_MAX:
            self.close()
        if self._file < 0:
            self._open()
        self._write(data)

    def say(self, event: Event) -> None:
        """One record, at the time of the last one."""
        self.append(self._record(event))

    def use(self, order_hash: str, order: bytes) -> None:
        """From now on this order is in force. It counts also if storing it fails: each file begins with it."""
        self._order = order_hash, order
        if self._file >= 0:
            self._store(order_hash, order)
            self.say(Order(order_hash))

    def require_room(self) -> None:
        """OSError if the disk has less than is kept free; where that is not known, it is tried."""
        if hasattr(os, "statvfs"):
            found = os.statvfs(self._folder if self._folder.is_dir() else self._folder.parent)
            if found.f_bavail * found.f_frsize < self._keep_free:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def sync(self) -> None:
        """If it is due."""
        now = clock.now()
        if self._unsynced and now - self._synced_at >= SYNC_EVERY_S:
            self._synced_at, self._unsynced = now, False
            os.fsync(self._file)

    def close(self) -> None:
        """The next record begins the next file."""
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.fsync(self._file)
            with contextlib.suppress(OSError):
                os.close(self._file)
            self._file, self._unsynced = -1, False

    def _open(self) -> None:
        if not self._folder.is_dir():
            self._folder.mkdir(store.FOLDER_MODE)
        path = self._folder / form.file_name(self._name, self._number)
        self._file, self._size = os.open(path, _NEW, store.SECRET_MODE), 0
        self._number += 1
        unix_us = round((time.time() - (clock.now() - self._began)) * 1_000_000)
        first = [self._record(msgspec.structs.replace(self._start, unix_us=unix_us))]
        if self._order:
            self._store(*self._order)
            first.append(self._record(Order(self._order[0])))
        self._write(b"".join([pcap.FILE_HEADER, *first]))
        os.fsync(self._file)
        store.sync_folder(self._folder)

    def _store(self, order_hash: str, order: bytes) -> None:
        path = self._folder / form.order_name(order_hash)
        if not path.exists():
            store.write(path, order)

    def _record(self, event: Event) -> bytes:
        content = form.encode(event)
        return pcap.head(self.at_ns, form.EVENT, len(content)) + content

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]
        self._size += len(data)
        self.written += len(data)
        self._unsynced = True
