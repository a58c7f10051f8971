"""A small card of its own under a folder: it can be full, and it can be read-only. Needs root, to mount it.

It is mounted in a mount namespace of this process, which ends with it: a run that is killed leaves nothing mounted.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

SIZE_KIB = 256
CLONE_NEWNS = 0x20000  # of unshare(2); Python has a function for it from 3.12 on


@functools.cache
def mount_apart() -> None:
    """What this process and its children mount from now on is seen by them alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS):
        pytest.skip(f"needs root, to mount a card of its own: {os.strerror(ctypes.get_errno())}")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


class Card:
    """What is in `folder` stands on it from now on. Skips where nothing may be mounted."""

    def __init__(self, folder: Path) -> None:
        mount_apart()
        self.folder = folder
        before = folder.with_name(f"{folder.name}.before")
        folder.rename(before)
        folder.mkdir(0o700)
        self._mount("-t", "tmpfs", "-o", f"size={SIZE_KIB}k,mode=700", "card")
        shutil.copytree(before, folder, dirs_exist_ok=True)

    def _mount(self, *words: str) -> None:
        done = subprocess.run(["mount", *words, self.folder], check=False, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"needs root, to mount a card of its own: {done.stderr.strip()}")

    def fill(self) -> None:
        """Until not a byte more goes on it."""
        with (self.folder / "log").open("ab", 0) as log, contextlib.suppress(OSError):
            while True:
                log.write(bytes(4096))
        with pytest.raises(OSError, match="No space left"):
            (self.folder / "more").write_bytes(b"x")

    def empty(self) -> None:
        (self.folder / "log").unlink()
        (self.folder / "more").unlink(missing_ok=True)

    def read_only(self) -> None:
        self._mount("-o", "remount,ro")
        assert not os.access(self.folder, os.W_OK)

    def writable(self) -> None:
        self._mount("-o", "remount,rw")

    def remove(self) -> None:
        subprocess.run(["umount", self.folder], check=True, capture_output=True)
