"""Programs and sockets of other users of this computer. Needs root."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator

ROOT = 0


def as_user(uid: int) -> tuple[str, ...]:
    """Before the words of a command: it runs as this user, who may read this interpreter wherever it stands."""
    if uid == ROOT:
        return ()
    may_read = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    return ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *may_read)


@contextlib.contextmanager
def acting_as(uid: int) -> Iterator[None]:
    """Sockets that this process makes within are that user's, as the system sees it, for as long as they live."""
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(ROOT)


def socket_of(uid: int, kind: socket.SocketKind = socket.SOCK_DGRAM) -> socket.socket:
    """A socket of that user's, not bound yet, that does not wait."""
    with acting_as(uid):
        made = socket.socket(socket.AF_INET, kind)
    made.setblocking(False)
    return made
