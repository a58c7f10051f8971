"""Holder: which process has a device or a port, by Linux's own tables. Only root sees other users' processes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from gateway.board.computer import text
from gateway.board.finding import Finding, do, ok, unknown
from gateway.board.live import user_of
from gateway.board.subject import Subject
from gateway.endpoints.address import Address
from gateway.local_users import name_of
from keys.printable import printable

PROC = Path("/proc")
TABLES = {"udp": ("udp", "udp6"), "tcp": ("tcp", "tcp6")}
NAME_MAX = 64  # characters of a process's name, which its user chooses
LISTENS = "0A"  # the state of a TCP socket in the table
LOCAL, STATE, INODE = 1, 3, 9  # columns of the table


class Holder(NamedTuple):
    """A process that has a device or a port; `pid` is 0 if it is not visible."""

    pid: int
    text: str  # "minicom of user alex (process 812)"

    def __str__(self) -> str:
        return self.text


UNSEEN = Holder(0, "another process")


def of_device(path: str) -> list[Holder]:
    """Other processes that have the device open."""
    return _holding({str(Path(path).resolve())})


def of_port(port: int, kind: str = "udp") -> list[Holder]:
    """Other processes that listen on the port; [UNSEEN] if it is in use and none is visible."""
    inodes = {f"socket:[{row[INODE]}]" for row in _sockets(kind) if int(row[LOCAL].rpartition(":")[2], 16) == port}
    return _holding(inodes) or [UNSEEN] * bool(inodes)


def _sockets(kind: str) -> Iterator[list[str]]:
    for table in TABLES[kind]:
        for line in text(PROC / "net" / table).splitlines()[1:]:
            row = line.split()
            if kind == "udp" or row[STATE] == LISTENS:
                yield row


def _holding(names: set[str]) -> list[Holder]:
    return [
        _holder(process)
        for process in PROC.glob("[0-9]*")
        if names and process.name != str(os.getpid()) and not names.isdisjoint(_open_files(process))
    ]


def _holder(process: Path) -> Holder:
    uid = user_of(process)
    user = "" if uid is None else f" of user {name_of(uid) or uid}"
    name = printable(text(process / "comm"), NAME_MAX)
    return Holder(int(process.name), f"{name}{printable(user, NAME_MAX)} (process {process.name})")


def _open_files(process: Path) -> Iterator[str]:
    try:
        for handle in (process / "fd").iterdir():
            yield str(handle.readlink())
    except OSError:
        return  # it has ended, or it is another user's


def taken(what: str, address: Address, holders: Sequence[Holder], subject: Subject, choice: str) -> Finding:
    """The finding that others have the address of `what`: in order if it is a live role of this kind, and unknown for a
    process that is not visible. A program that has it may be one that the flight needs, so nothing here ends one.

    `choice`: what to do if that program is needed.
    """
    live = {role.pid: role for role in subject.live}
    names = ", ".join(str(live.get(holder.pid, holder)) for holder in holders)
    ours = [live[holder.pid] for holder in holders if holder.pid in live and live[holder.pid].role == subject.role]
    if len(ours) == len(holders):
        traffic = ours[0].traffic(address)
        return ok(what, f"{names} has {address}" + f": {traffic}" * bool(traffic))
    text = f"{address} is in use by {names}"
    if UNSEEN in holders:
        return unknown(what, text, "sudo zegel doctor shows which")
    cure = f"{choice}; or stop that program yourself if it is not needed"
    return do(what, f"{text}, and only one program can have it", cure)


def runs(name: str) -> bool:
    """Whether a process of this name runs."""
    return any(text(process / "comm") == name for process in PROC.glob("[0-9]*"))
