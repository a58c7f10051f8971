"""Account: the users of this computer that a command acts for, and acting as one of them for a moment.

A command under sudo reads and writes a person's files as that person, and a folder of keys as its owner. So it can read in
a home folder of mode 0700, or on a medium that root may not enter, and no key belongs to root.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

if sys.platform != "win32":
    import grp
    import pwd

ROOT = 0
SERVICE = "zegel"  # the user that the packages make
INVOKERS = ("SUDO_UID", "PKEXEC_UID")  # sudo(8) and pkexec(1) give the caller's user id in these
OVERFLOW_UID = 65_534  # user_namespaces(7): shown for a user that this namespace does not know
PR_GET_DUMPABLE, PR_SET_DUMPABLE = 3, 4  # prctl(2)


class Account(NamedTuple):
    """One user of this computer, with its uid and its first group."""

    name: str
    uid: int
    gid: int

    @property
    def ours(self) -> bool:
        """Whether this process can act as this user."""
        return sys.platform == "win32" or os.geteuid() in {ROOT, self.uid}

    @contextlib.contextmanager
    def acting(self) -> Iterator[None]:
        """Within, this process has only the rights of this user, if root started it; no other thread may run.

        A nested use has only the rights of the inner user, too.
        """
        if sys.platform == "win32" or os.getuid() != ROOT or os.geteuid() == self.uid:
            yield
            return
        before = os.geteuid(), os.getegid(), os.getgroups()
        _become(self.uid, self.gid, os.getgrouplist(self.name, self.gid))
        try:
            yield
        finally:
            _become(*before)


def _become(uid: int, gid: int, groups: list[int]) -> None:
    """Keep the process out of core files (gateway/loop/hardening.py), which Linux would otherwise undo."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    dumpable = libc.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) if libc else 1
    os.seteuid(ROOT)
    os.setgroups(groups)
    os.setegid(gid)
    os.seteuid(uid)
    if libc:
        libc.prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0)


def caller() -> Account:
    """The user whose rights this process has."""
    if sys.platform == "win32":
        return Account(os.environ.get("USERNAME", ""), 0, 0)
    return _of(os.geteuid(), os.getegid())


def by_sudo() -> bool:
    """Whether this process is root because a person called sudo or pkexec."""
    return sys.platform != "win32" and os.getuid() == ROOT and _told(INVOKERS).isdecimal()


def through_sudo() -> bool:
    """Whether sudo started this process, as any user."""
    return bool(_told(INVOKERS))


def forget_invoker() -> None:
    """From here on this process acts for itself, because it makes and removes a folder of its own."""
    for name in INVOKERS:
        os.environ.pop(name, None)


def invoker() -> Account:
    """The person who called sudo or pkexec; as `caller` if no one did."""
    if not by_sudo():
        return caller()
    uid, gid = _told(INVOKERS), _told(("SUDO_GID",))
    return _of(int(uid), int(gid if gid.isdecimal() else uid))


def owner(path: Path) -> Account:
    """The owner of a file or folder; for a missing one, the owner of the folder that would hold it.

    As `caller` if this process cannot know the owner, or Linux cannot show it.
    """
    if sys.platform == "win32":
        return caller()
    with _of(os.getuid(), os.getgid()).acting():
        for each in (path, path.absolute().parent):
            with contextlib.suppress(OSError):
                info = each.stat()
                return caller() if info.st_uid == OVERFLOW_UID else _of(info.st_uid, info.st_gid)
    return caller()


def _told(names: Sequence[str]) -> str:
    """The first of these variables of the environment that is set."""
    return next((value for name in names if (value := os.environ.get(name))), "")


def _of(uid: int, gid: int) -> Account:
    """`gid` is used only for a uid without a user here."""
    try:
        found = pwd.getpwuid(uid)
    except KeyError:
        return Account(str(uid), uid, gid)
    return Account(found.pw_name, uid, found.pw_gid)


def of_service(name: str = SERVICE) -> Account | None:
    """The user that a service runs as; None if there is none on this computer."""
    if sys.platform == "win32":
        return None
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(name, found.pw_uid, found.pw_gid)


def group_name(gid: int) -> str:
    if sys.platform == "win32":
        return ""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
