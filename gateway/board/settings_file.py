"""Settings file: written by root, and readable by the user of a service whatever root's umask is.

Many computers give root the umask 077. A file of the configuration that only root can read keeps a service from starting.
"""

from __future__ import annotations

import json
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


def literal(value: object) -> str:
    """As TOML has it. A string, a number and a list have the same form in JSON; a table does not."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {literal(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    return json.dumps(value, ensure_ascii=False)
