"""Ext4 card: a real file system on a loop device, which can stand still, counts what reaches the device, and can be copied.

Needs root. What must not live here: recorders, figures.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.compiler import Absent
from bench.workspace import Scene

SIZE_MIB = 512
SECTOR = 512  # bytes, of /sys/block/*/stat, whatever the device's own are
SYNC_SIZE = 2 << 20  # bytes: two seconds of 8 Mbit/s
_WRITTEN, _FLUSHES = 6, 15  # Documentation/block/stat.rst


class Device(NamedTuple):
    """What a device has been asked for so far."""

    written: int  # bytes
    flushes: int


class Ext4Card:
    """`folder` is on it. Absent where it cannot be made."""

    _numbers = itertools.count()

    def __init__(self, scene: Scene) -> None:
        number = next(self._numbers)
        self._scene, self._image = scene, scene.folder / f"card-{number}.img"
        self.folder = scene.folder / f"card-{number}"
        self.folder.mkdir()
        with self._image.open("wb") as file:
            file.truncate(SIZE_MIB << 20)
        _run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(self._image))
        device = _run("losetup", "--find", "--show", str(self._image)).strip()
        scene.undo.callback(_try, "losetup", "--detach", device)
        _run("mount", device, str(self.folder))
        scene.undo.callback(_try, "umount", str(self.folder))
        self._stat = Path("/sys/block") / Path(device).name / "stat"

    def device(self) -> Device:
        """All that was written so far has reached it."""
        _run("sync", "--file-system", str(self.folder))
        fields = self._stat.read_text().split()
        return Device(int(fields[_WRITTEN]) * SECTOR, int(fields[_FLUSHES]) if len(fields) > _FLUSHES else 0)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It takes no write, and does not answer until this ends."""
        _run("fsfreeze", "--freeze", str(self.folder))
        try:
            yield
        finally:
            _run("fsfreeze", "--unfreeze", str(self.folder))

    @contextlib.contextmanager
    def after_power_cut(self) -> Iterator[Path]:
        """What a power cut in this moment leaves: a copy of the device, mounted, its journal replayed."""
        copy, place = self._image.with_suffix(".copy"), self._image.with_suffix(".cut")
        _run("cp", "--sparse=always", str(self._image), str(copy))
        place.mkdir(exist_ok=True)
        _run("mount", "-o", "loop", str(copy), str(place))
        try:
            yield place
        finally:
            _run("umount", str(place))
            copy.unlink()

    def sync_s(self) -> float:
        """The time that this card takes to sync two seconds of video."""
        path = self.folder / "sync"
        data = os.urandom(SYNC_SIZE)
        began = time.monotonic()
        with path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        took = time.monotonic() - began
        path.unlink()
        return took


def _run(*words: str) -> str:
    """What it says. Absent if it does not end well."""
    try:
        done = subprocess.run(words, check=False, capture_output=True, text=True)  # noqa: S603
    except FileNotFoundError:
        raise Absent(f"no {words[0]}", hint="apt install util-linux e2fsprogs mount") from None
    if done.returncode:
        raise Absent(f"{words[0]}: {done.stderr.strip() or done.returncode}", hint="it needs root, and loop devices")
    return done.stdout


def _try(*words: str) -> None:
    with contextlib.suppress(Absent):
        _run(*words)
