"""Record file: how `zegel record` tells a running ground what to ask the aircraft for.

The file is next to the ground's status socket, in a folder that only its user can enter, and the ground takes it away.
The answer is in the ground's status: its status socket takes no questions.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec

SIZE_MAX = 1024  # bytes
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`name` is any text by which the answer is found; `device`: only that aircraft, otherwise all that are heard."""

    name: str
    on: bool
    device: str | None = None


def of(socket: Path) -> Path:
    """The place of the file of the ground that publishes there."""
    return socket.with_name(f"{socket.name}.record")


def write(socket: Path, asked: Asked) -> None:
    """Whole or not at all. It belongs to the user of that ground, also if root writes it. OSError."""
    path, owner = of(socket), socket.lstat().st_uid
    staging = path.with_name(f".{path.name}.{os.getpid()}")
    staging.unlink(missing_ok=True)
    with os.fdopen(os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW, 0o600), "wb") as out:
        out.write(msgspec.json.encode(asked))
        if hasattr(os, "fchown") and owner != os.geteuid():
            os.fchown(out.fileno(), owner, -1)
    staging.replace(path)


def take(socket: Path) -> Asked | None:
    """What was asked, once. None if nothing was, or nothing that this version reads."""
    path = of(socket)
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | _NOFOLLOW), "rb") as file:
            data = file.read(SIZE_MAX + 1) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b""
        path.unlink()
    except OSError:
        return None
    try:
        return msgspec.json.decode(data, type=Asked) if len(data) <= SIZE_MAX else None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
