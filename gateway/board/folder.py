"""Folder: the device's or the station's folder, and its disk. The boot counter is written there at every start."""

from __future__ import annotations

import errno
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gateway.board import disk
from gateway.board.finding import Finding, do, ok, unknown
from gateway.board.subject import Subject
from keys.commands import account
from keys.commands.account import Account
from keys.errors import Denied, FolderError, MissingFile
from keys.folders import store
from keys.folders.device import KEY
from keys.folders.station import PUBLIC

FREE_MIN = 16 << 20  # bytes: an order, a state, and room for the file system's journal
TRIAL = ".doctor.", ".tmp"  # a name that zegel removes later, should this process die first


class Place(NamedTuple):
    """The folder of a configuration."""

    path: Path
    holding: str
    kind: str
    init: str


def place(subject: Subject) -> Place | None:
    if subject.air:
        path = Path(subject.air.device)
        return Place(path, KEY, "device", f"zegel device init {shlex.quote(str(path))} --name NAME")
    if subject.ground:
        path = Path(subject.ground.station)
        init = f"zegel station init {shlex.quote(str(path))} --name NAME --root root.crt"
        return Place(path, PUBLIC, "station", init)
    return None


def look(subject: Subject) -> Iterator[Finding]:
    """Modes and owner, disk, space."""
    if (found := place(subject)) is None:
        return
    user, path = subject.user, found.path
    with user.acting():
        try:
            store.check_folder(path, found.holding, found.kind)
        except MissingFile:
            yield do("folder", f"{path} does not exist", as_user(user, found.init, path))
            return
        except FolderError as error:
            yield _refused(user, error)
            return
        yield ok("folder", f"only {user.name} can enter {path}")
        yield _disk(path, subject)
        yield _written(path)
        yield _space(path)


def as_user(user: Account, command: str, path: Path) -> str:
    """The command for the caller of the doctor, so that it acts in the folder `path` as that user."""
    if sys.platform == "win32" or user.uid == os.getuid():
        return command
    return f"sudo {command}" if account.owner(path).uid == user.uid else f"sudo -u {user.name} {command}"


def _refused(user: Account, error: FolderError) -> Finding:
    if not user.ours and isinstance(error, Denied):
        return unknown("folder", f"{error}; it is {user.name}'s", "sudo zegel doctor")
    return do("folder", str(error), error.hint)


def _disk(path: Path, subject: Subject) -> Finding:
    """Whether written data survives a power cut."""
    beneath = disk.in_memory(path, subject.root)
    if not beneath:
        return ok("disk", f"{path} is on {disk.kind(path) or 'an unknown file system'}")
    aboard = "the boot counter is lost, and stations refuse the aircraft"
    lost = aboard if subject.role == "air" else "the seed is lost, and this station opens nothing"
    return do(
        "disk",
        f"{path} is on {beneath}: after a power cut {lost}",
        f"mount a partition of its own there, writable: see mount(8) and fstab(5); keys and orders are in {path}",
        interrupts=True,
    )


def _written(path: Path) -> Finding:
    """Tested by writing, because modes do not show that a disk has become read-only or is full."""
    try:
        handle, name = tempfile.mkstemp(dir=path, prefix=TRIAL[0], suffix=TRIAL[1])
    except OSError as error:
        return _unwritable(path, error)
    try:
        os.write(handle, bytes(4096))
        os.fsync(handle)
    except OSError as error:
        return _unwritable(path, error)
    finally:
        os.close(handle)
        Path(name).unlink(missing_ok=True)
    return ok("writing", f"{path} can be written")


def _unwritable(path: Path, error: OSError) -> Finding:
    text = f"{path} cannot be written: {(error.strerror or str(error)).lower()}"
    if error.errno == errno.EROFS:
        again = f"sudo mount -o remount,rw $(findmnt -nT {shlex.quote(str(path))} -o TARGET)"
        return do("writing", text, f"see why: dmesg | tail; if the card is not damaged: {again}", interrupts=True)
    return do("writing", text, _room(path))


def _room(path: Path) -> str:
    return f"make room: df -h {shlex.quote(str(path))}; sudo journalctl --vacuum-size=50M deletes the oldest log"


def _space(path: Path) -> Finding:
    free = shutil.disk_usage(path).free
    if free < FREE_MIN:
        return do("space", f"{free >> 10} KiB free at {path}", _room(path))
    return ok("space", f"{free >> 20} MiB free")
