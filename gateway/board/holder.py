"""Holder: which process has a device or a port, by Linux's own tables. Only root sees other users' processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from gateway.board.computer import text
from gateway.board.finding import Finding, do, unknown
from keys.printable import printable

PROC = Path("/proc")
UNSEEN = "another process"  # one that we cannot see
TABLES = {"udp": ("udp", "udp6"), "tcp": ("tcp", "tcp6")}
NAME_MAX = 64  # characters of a process's name, which its user chooses
LISTENS = "0A"  # the state of a TCP socket in the table
LOCAL, STATE, INODE = 1, 3, 9  # columns of the table


def of_device(path: str, ours: int = 0) -> list[str]:
    """Other processes than the one of the number `ours` that have the device open: "minicom (process 812)"."""
    return _holding({str(Path(path).resolve())}, ours)


def of_port(port: int, kind: str = "udp") -> list[str]:
    """Other processes that listen on the port; [UNSEEN] if it is in use and none is visible."""
    inodes = {f"socket:[{row[INODE]}]" for row in _sockets(kind) if int(row[LOCAL].rpartition(":")[2], 16) == port}
    return _holding(inodes) or [UNSEEN] * bool(inodes)


def _sockets(kind: str) -> Iterator[list[str]]:
    for table in TABLES[kind]:
        for line in text(PROC / "net" / table).splitlines()[1:]:
            row = line.split()
            if kind == "udp" or row[STATE] == LISTENS:
                yield row


def _holding(names: set[str], ours: int = 0) -> list[str]:
    left_out = {str(os.getpid()), str(ours)}
    return [
        f"{printable(text(process / 'comm'), NAME_MAX)} (process {process.name})"
        for process in PROC.glob("[0-9]*")
        if names and process.name not in left_out and not names.isdisjoint(_open_files(process))
    ]


def _open_files(process: Path) -> Iterator[str]:
    try:
        for handle in (process / "fd").iterdir():
            yield str(handle.readlink())
    except OSError:
        return  # it has ended, or it is another user's


def taken(what: str, address: object, holders: list[str], cure: str) -> Finding:
    """The finding that others have the address of `what`; for invisible processes it is unknown whether this is a fault."""
    text = f"{address} is in use by {', '.join(holders)}"
    return unknown(what, text, "sudo zegel doctor shows which") if holders == [UNSEEN] else do(what, text, cure)


def runs(name: str) -> bool:
    """Whether a process of this name runs."""
    return any(text(process / "comm") == name for process in PROC.glob("[0-9]*"))
