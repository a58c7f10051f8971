"""What a process that holds keys owes them: no core file, no attaching debugger, no swap; and quiet garbage collection."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import signal
import sys

PR_SET_DUMPABLE = 4  # prctl(2)
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4  # mlockall(2)


def harden() -> None:
    """Keep the process's memory out of core files and swap, and away from other processes of the same user (Linux)."""
    if sys.platform != "linux":
        return
    import resource  # noqa: PLC0415 - does not exist on Windows

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
        # Under a finite limit a locked process dies when it grows past it: a flight is worth more than that.
        if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY:
            libc.mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)


def ignore(*names: str) -> None:
    """Signals by their names, those of them that this system has."""
    for name in names:
        if number := getattr(signal, name, None):
            signal.signal(number, signal.SIG_IGN)


def settle() -> None:
    """After start: what exists now stays, so the collector need not walk it again on the data path."""
    gc.collect()
    gc.freeze()
