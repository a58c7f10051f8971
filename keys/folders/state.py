"""State: the few values of a folder that outlive a process, stored twice so that one damaged file loses nothing.

The copy is written first: it is never older than the file, and can replace it. The folder defines the values; the caller
holds the folder's lock while it writes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from keys.errors import FolderError, MissingFile
from keys.folders import store

NAME, COPY = "state.json", "state-copy.json"

Count = Annotated[int, msgspec.Meta(ge=0)]
State = TypeVar("State", bound=msgspec.Struct)


def read(folder: Path, kind: type[State], *, forgiving: bool = False) -> tuple[State | None, bool]:
    """(the state, None if no file of it is whole; whether a file of it is damaged or gone).

    (None, False) is a folder that never had a state. WrongMode and similar errors are raised unless `forgiving`: then such
    a file counts as damaged. The copy is read first: after an interrupted write it is the newer one.
    """
    damaged = missing = 0
    for name in (COPY, NAME):
        try:
            state = msgspec.json.decode(store.read_secret(folder / name), type=kind)
        except MissingFile:
            missing += 1
        except (msgspec.DecodeError, UnicodeDecodeError):
            damaged += 1
        except FolderError:
            if not forgiving:
                raise
            damaged += 1
        else:
            return state, damaged + missing > 0 or not _is_whole(folder / NAME, kind)
    return None, damaged > 0


def _is_whole(path: Path, kind: type[State]) -> bool:
    try:
        msgspec.json.decode(store.read_secret(path), type=kind)
    except (FolderError, msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def write(folder: Path, state: msgspec.Struct) -> None:
    """FolderError if it cannot be stored."""
    data = msgspec.json.format(msgspec.json.encode(state)) + b"\n"
    for name in (COPY, NAME):
        store.write(folder / name, data)
