"""A card with a real ext4 on a loop device: it can stand still, fill up, be read-only, be pulled, and lose its power.

Needs root. It is mounted for this process and its children alone, and its loop device goes with the mount; a run that is
killed while the card stands still leaves a loop device.
"""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.card import mount_apart

SIZE_MB = 256
SHELF_MB = 4096  # it has holes: what was not written takes no room
SECTOR = 512
FREE_WITHIN_S = 20.0
_FICLONE = 0x40049409  # ioctl_ficlone(2)
_GET_STATUS, _SET_STATUS = 0x4C05, 0x4C04  # LOOP_*_STATUS64 of linux/loop.h
_SIZE_LIMIT = slice(32, 40)  # of its struct loop_info64


def run(*words: str | Path) -> str:
    """Its output; skips where the system does not permit it."""
    try:
        done = subprocess.run(words, check=False, capture_output=True, text=True)
    except FileNotFoundError as error:
        pytest.skip(f"needs {error.filename}")
    if done.returncode:
        pytest.skip(f"needs root and loop devices: {done.stderr.strip()}")
    return done.stdout.strip()


def empty_image(path: Path, size_mb: int) -> Path:
    with path.open("wb") as file:
        file.truncate(size_mb << 20)
    return path


def mounted(image: Path, folder: Path, *options: str) -> Path:
    """The image, on this folder; its loop device, which goes when nothing uses it any more."""
    device = Path(run("losetup", "--find", "--show", image))
    try:
        run("mount", *options, device, folder)
    finally:
        run("losetup", "--detach", device)
    return device


class Ext4Card:
    """`folder` is on it from now on. `image` is the file that holds it."""

    def __init__(self, folder: Path, size_mb: int = SIZE_MB, image: Path | None = None) -> None:
        mount_apart()
        self.folder, self.image = folder, image or folder.with_name(f"{folder.name}.img")
        folder.mkdir()
        run("mkfs.ext4", "-q", "-F", empty_image(self.image, size_mb))
        self._mount()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It takes no write, and does not answer until this ends."""
        run("fsfreeze", "-f", self.folder)
        try:
            yield
        finally:
            run("fsfreeze", "-u", self.folder)

    def fail(self) -> None:
        """Linux makes it read-only, as after an error that it has met."""
        (Path("/sys/fs/ext4") / self._device.name / "trigger_fs_error").write_text("a test")

    def written(self) -> int:
        """Bytes that the device was given, since the mount."""
        fields = (Path("/sys/block") / self._device.name / "stat").read_text().split()
        return int(fields[6]) * SECTOR

    def pull(self) -> None:
        """The device is gone: whatever is read or written from now on fails. What it has stays in the image."""
        with self._device.open("rb") as device:
            status = bytearray(232)
            fcntl.ioctl(device, _GET_STATUS, status)
            status[_SIZE_LIMIT] = SECTOR.to_bytes(8, "little")
            fcntl.ioctl(device, _SET_STATUS, bytes(status))

    def plug_in(self) -> None:
        """What was pulled, or had failed, is here again, as another device."""
        self.remove()
        self._mount()

    def _mount(self) -> None:
        self._device = mounted(self.image, self.folder, "-o", "errors=remount-ro")

    def remove(self) -> None:
        subprocess.run(["umount", self.folder], check=False, capture_output=True)


class Shelf:
    """A folder in which a file is copied at one moment, with whatever was written to it until then (XFS, reflink)."""

    def __init__(self, folder: Path) -> None:
        mount_apart()
        self.folder, self.image = folder, empty_image(folder.with_name(f"{folder.name}.img"), SHELF_MB)
        folder.mkdir()
        run("mkfs.xfs", "-q", "-f", "-m", "reflink=1", self.image)
        mounted(self.image, folder)

    @staticmethod
    def copy(source: Path, name: str) -> Path:
        made = source.with_name(name)
        with source.open("rb") as here, made.open("wb") as there:
            fcntl.ioctl(there, _FICLONE, here.fileno())
        return made

    def remove(self) -> None:
        run("umount", self.folder)
        self.image.unlink()
