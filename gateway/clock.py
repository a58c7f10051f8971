"""Clock: the time in seconds for everything here. It continues while a computer sleeps, and no correction moves it.

A command that waited while a lid was closed, and a beat that was sent before an aircraft was suspended, are as old as the
time that has passed. A clock that stops meanwhile would make both look fresh.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

# CLOCK_BOOTTIME of Linux (clock_gettime(2)); on macOS CLOCK_MONOTONIC counts sleep, on Windows Python's own clock does.
_COUNTS_SLEEP: int | None = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))

now: Callable[[], float] = time.monotonic if _COUNTS_SLEEP is None else functools.partial(time.clock_gettime, _COUNTS_SLEEP)
