"""SHA256SUMS: of each file of an export, as `sha256sum -c` reads it."""

from __future__ import annotations

import hashlib
from pathlib import Path

NAME = "SHA256SUMS"


def sums(folder: Path) -> str:
    """Of the files that have their names; hidden ones are not part of an export."""
    names = sorted(
        path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith(".") and path.name != NAME
    )
    return "".join(f"{_sum(folder / name)}  {name}\n" for name in names)


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
