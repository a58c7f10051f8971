"""Rights: those of root, which a program without a key gives up, without a way back, before it reads anything.

It starts as root and not as the person, who may not be allowed to read the Python that root has.
"""

from __future__ import annotations

import os
import sys


def word(name: str, uid: int, gid: int) -> str:
    """On the command line of such a program; empty if its rights are those of this user anyway."""
    if sys.platform == "win32" or uid == os.geteuid():
        return ""
    return ":".join(map(str, (uid, gid, *os.getgrouplist(name, gid))))


def give_up(said: str) -> None:
    """OSError if it cannot."""
    if said and sys.platform != "win32":
        uid, gid, *groups = map(int, said.split(":"))
        os.setgroups(groups)
        os.setgid(gid)
        os.setuid(uid)
