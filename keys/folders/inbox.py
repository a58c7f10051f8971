"""Inbox: how an order reaches the process that has a device's folder open, and how the answer comes back.

    order.new       the order, put there by `zegel device load-order`         order.answer   the answer

A running `zegel air` locks the folder, so no other process may write its order; it gives the order to that process instead.
A user who can write here can also write the device's key; the order is still verified like any other. device.py decides
whether it is accepted.
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
WAIT_S = 10.0  # for an answer; a running aircraft checks twice a second
POLL_S = 0.05


class Answer(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    digest: str  # SHA-256 of the order file, hexadecimal
    error: str = ""  # why it was refused; empty if it was accepted
    hint: str = ""
    exit_code: int = 0


# --- the side that brings an order ---


def hand_over(folder: Path, data: bytes) -> bool:
    """Wait until the running process has accepted the order; KeysError with its text if it refused.

    False if the process that has the folder open does not answer; the order is then removed again.
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


# --- the side that has the folder open ---


def serve(folder: Path, load: Callable[[bytes], object]) -> KeysError | None:
    """Give a waiting order to `load` and write the answer; the result is why it was refused. FolderError."""
    data = pop(folder)
    if data is None:
        return None
    refused: KeysError | None = None
    try:
        load(data)
    except KeysError as error:
        refused = error
    answer(folder, data, refused)
    return refused


def pop(folder: Path) -> bytes | None:
    """The waiting order, once; None if there is none. FolderError."""
    try:
        data = store.read_secret(folder / ORDER)
    except MissingFile:
        return None
    store.remove(folder / ORDER)
    return data


def answer(folder: Path, data: bytes, error: KeysError | None) -> None:
    """Write the answer to the order in `data`. FolderError."""
    said = Answer(digest=_digest(data))
    if error:
        said = Answer(digest=said.digest, error=str(error), hint=error.hint, exit_code=error.exit_code)
    store.write(folder / ANSWER, msgspec.json.encode(said))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
