"""Account: the user that Zegel runs as, and what he may do, found out by being him for a moment."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import NamedTuple

if sys.platform != "win32":
    import grp
    import pwd

SERVICE = "zegel"  # whom the packages make


class Account(NamedTuple):
    name: str
    uid: int
    gid: int

    @property
    def ours(self) -> bool:
        """Whether this process can act as him."""
        return sys.platform == "win32" or os.geteuid() in {0, self.uid}

    @contextlib.contextmanager
    def acting(self) -> Iterator[None]:
        """Within, this process has his rights and no others, if it can. Every thread has; nobody else may run meanwhile."""
        if sys.platform == "win32" or os.geteuid() != 0 or self.uid == 0:
            yield
            return
        groups, gid = os.getgroups(), os.getegid()
        os.setgroups(os.getgrouplist(self.name, self.gid))
        os.setegid(self.gid)
        os.seteuid(self.uid)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(gid)
            os.setgroups(groups)


def caller() -> Account:
    if sys.platform == "win32":
        return Account(os.environ.get("USERNAME", ""), 0, 0)
    uid = os.geteuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    return Account(name, uid, os.getegid())


def of_service() -> Account | None:
    """The user that the service runs as; None if there is none on this computer."""
    if sys.platform == "win32":
        return None
    try:
        found = pwd.getpwnam(SERVICE)
    except KeyError:
        return None
    return Account(SERVICE, found.pw_uid, found.pw_gid)


def group_name(gid: int) -> str:
    if sys.platform == "win32":
        return ""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
