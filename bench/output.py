"""Output: whether the output file of a measurement can be written. Checked before anything is measured."""

from __future__ import annotations

import os
from pathlib import Path

from gateway.errors import ConfigError


def require(path: Path) -> None:
    """ConfigError if it cannot be written."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise ConfigError(f"{path}: there is no such folder", hint=f"mkdir {path.parent}")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise ConfigError(f"{path}: this user may not write there", hint="name another file: -o FILE")
