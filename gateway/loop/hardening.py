"""Hardening of a process that holds keys: no core file, no debugger, no swap; and garbage collection without pauses."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import signal
import sys
from pathlib import Path

PR_SET_DUMPABLE = 4  # prctl(2)
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4  # mlockall(2)


NOT_LOCKED = "memory cannot be locked here, so keys may reach swap: allow it (ulimit -l unlimited), or do without swap"


def harden() -> bool:
    """Keep the process's memory out of core files and swap, and away from other processes of the same user (Linux).

    The result says whether it is out of swap; the rest always succeeds.
    """
    if sys.platform != "linux":
        return False
    import resource  # noqa: PLC0415 - does not exist on Windows

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
        # With a finite limit, a locked process dies when it grows past it, and the flight is more important.
        if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY:
            return bool(libc.mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0)
    return False


def locked() -> bool:
    """Whether this process's memory is kept out of swap."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return False
    return any(line.split()[1] != "0" for line in status.splitlines() if line.startswith("VmLck:"))


def ignore(*names: str) -> None:
    """The signals of these names that this system has."""
    for name in names:
        if number := getattr(signal, name, None):
            signal.signal(number, signal.SIG_IGN)


def freeze_gc() -> None:
    """After start: the existing objects stay, so the collector need not visit them again on the data path."""
    gc.collect()
    gc.freeze()
