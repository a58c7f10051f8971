"""Inbox: how an order reaches the process that has a device's folder open, and its answer the person who waits.

    order.new       the order, put there by `zegel device load-order`         order.answer   what became of it

The folder is locked by a running `zegel air`, so nobody else may write its order: it is handed over. Who can write here can
write the device's key too; the order is verified like any other all the same. Whether it is accepted is device.py's.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from keys.errors import KeysError, MissingFile
from keys.folders import store

ORDER, ANSWER = "order.new", "order.answer"
WAIT_S = 10.0  # for an answer; a running aircraft looks twice a second
POLL_S = 0.05


class Answer(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    digest: str  # SHA-256 of the file that is answered, hexadecimal
    error: str = ""  # why it was refused; empty if it was taken
    hint: str = ""
    exit_code: int = 0


# --- who brings an order ---


def hand_over(folder: Path, data: bytes) -> bool:
    """Wait until the running process has taken the order; KeysError with its words if it refused.

    False if whoever has the folder open does not answer; the order is taken back then.
    """
    store.remove(folder / ANSWER)
    store.write(folder / ORDER, data)
    until = time.monotonic() + WAIT_S
    while (found := _read_answer(folder, data)) is None:
        if time.monotonic() > until:
            store.remove(folder / ORDER)
            return False
        time.sleep(POLL_S)
    store.remove(folder / ANSWER)
    if found.error:
        refused = KeysError(found.error, hint=found.hint)
        refused.exit_code = found.exit_code
        raise refused
    return True


def _read_answer(folder: Path, data: bytes) -> Answer | None:
    try:
        found = msgspec.json.decode(store.read_secret(folder / ANSWER), type=Answer)
    except MissingFile:
        return None
    return found if found.digest == _digest(data) else None


# --- who has the folder open ---


def serve(folder: Path, load: Callable[[bytes], object]) -> KeysError | None:
    """Give `load` the order that was put there, if one was, and say what became of it; why it was refused. FolderError."""
    data = take(folder)
    if data is None:
        return None
    refused: KeysError | None = None
    try:
        load(data)
    except KeysError as error:
        refused = error
    answer(folder, data, refused)
    return refused


def take(folder: Path) -> bytes | None:
    """The order that was put there, once; None if there is none. FolderError."""
    try:
        data = store.read_secret(folder / ORDER)
    except MissingFile:
        return None
    store.remove(folder / ORDER)
    return data


def answer(folder: Path, data: bytes, error: KeysError | None) -> None:
    """Say what became of the order in `data`. FolderError."""
    said = Answer(digest=_digest(data))
    if error:
        said = Answer(digest=said.digest, error=str(error), hint=error.hint, exit_code=error.exit_code)
    store.write(folder / ANSWER, msgspec.json.encode(said))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
