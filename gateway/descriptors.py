"""Descriptors of this process: how many are open, and how many there may be.

Each connection to a socket of ZeroMQ takes one, and libzmq ends the process if there is none for a connection by `ipc:`.
So when there are many they are disconnected, which is looked at ten times a second, and the limit is far above what a
program can open in between.
"""

from __future__ import annotations

import os
import sys

if sys.platform != "win32":
    import resource

DESCRIPTORS_MAX = 256  # each connection uses one, and the flight must not run out of them
LIMIT = 1 << 16  # systemd gives a service 1,024, and lets it ask for more


def crowded() -> bool:
    """Whether this process has too many descriptors open: a new one always has the lowest free number."""
    try:
        free = os.open(os.devnull, os.O_RDONLY)
    except OSError:
        return True
    os.close(free)
    return free > DESCRIPTORS_MAX


def allow_many() -> None:
    """Raise this process's own limit as far as it may."""
    if sys.platform != "win32":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = LIMIT if hard == resource.RLIM_INFINITY else min(LIMIT, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
