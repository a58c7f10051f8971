"""A card with a real ext4 on a loop device, which can stand still (fsfreeze). Needs root.

It is mounted for this process and its children alone; a run that is killed while it stands still leaves a loop device.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.card import mount_apart

SIZE_MB = 256


class Ext4Card:
    """`folder` is on it from now on."""

    def __init__(self, folder: Path, size_mb: int = SIZE_MB) -> None:
        mount_apart()
        self.folder, image = folder, folder.with_name(f"{folder.name}.img")
        folder.mkdir()
        with image.open("wb") as file:
            file.truncate(size_mb << 20)
        self._run("mkfs.ext4", "-q", "-F", image)
        self._run("mount", "-o", "loop", image, folder)

    @staticmethod
    def _run(*words: str | Path) -> None:
        try:
            done = subprocess.run(words, check=False, capture_output=True, text=True)
        except FileNotFoundError as error:
            pytest.skip(f"needs {error.filename}")
        if done.returncode:
            pytest.skip(f"needs root and loop devices: {done.stderr.strip()}")

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It takes no write, and does not answer until this ends."""
        self._run("fsfreeze", "-f", self.folder)
        try:
            yield
        finally:
            self._run("fsfreeze", "-u", self.folder)

    def remove(self) -> None:
        self._run("umount", self.folder)
