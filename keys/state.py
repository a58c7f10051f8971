"""State: the few facts of a folder that outlive a process, kept twice so that one damaged file costs nothing.

The copy is written first: it is never older than the file, and may stand in for it. What the facts are is the folder's
own; the caller holds the folder's lock while it writes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from keys import store
from keys.errors import MissingFile

NAME, COPY = "state.json", "state-copy.json"

Count = Annotated[int, msgspec.Meta(ge=0)]
State = TypeVar("State", bound=msgspec.Struct)


def read(folder: Path, kind: type[State]) -> tuple[State | None, bool]:
    """(the state, None if no file of it is whole; whether a file of it is damaged or gone).

    (None, False) is a folder that never had a state. WrongMode and the like are raised.
    """
    damaged = missing = 0
    for name in (NAME, COPY):
        try:
            state = msgspec.json.decode(store.read_secret(folder / name), type=kind)
        except MissingFile:
            missing += 1
        except (msgspec.DecodeError, UnicodeDecodeError):
            damaged += 1
        else:
            return state, damaged + missing > 0
    return None, damaged > 0


def write(folder: Path, state: msgspec.Struct) -> None:
    """FolderError if it cannot be stored."""
    data = msgspec.json.format(msgspec.json.encode(state)) + b"\n"
    for name in (COPY, NAME):
        store.write(folder / name, data)
