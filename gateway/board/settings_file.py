"""Settings file: written by root, and readable by the user of a service whatever root's umask is.

Many computers give root the umask 077. A file of the configuration that only root can read keeps a service from starting.
"""

from __future__ import annotations

from pathlib import Path

from keys.folders import store

FILE_MODE, FOLDER_MODE = 0o644, 0o755


def make_folder(folder: Path) -> None:
    """Make the folder if it does not exist."""
    if not folder.exists():
        folder.mkdir()
        folder.chmod(FOLDER_MODE)


def write(path: Path, data: bytes) -> None:
    """Write it, completely or not at all. FolderError."""
    store.write(path, data, FILE_MODE)
    path.chmod(FILE_MODE)
