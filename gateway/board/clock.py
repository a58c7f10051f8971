"""Clock: whether the date is plausible, whether a time service sets it, and whether random bytes are available."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Iterator

from gateway.board.finding import Finding, do, ok, unknown
from gateway.board.subject import Subject
from keys.times import EARLIEST, LATEST, utc

TIME_ERROR = 5  # adjtimex(2): no time service sets this clock
TIMEX_SIZE = 512  # more than struct timex, which is read with no bit of `modes` set: nothing is adjusted
SET = "sudo timedatectl set-ntp true, or: sudo timedatectl set-time 'YYYY-MM-DD hh:mm:ss'"


def look(subject: Subject) -> Iterator[Finding]:
    """The date; entropy."""
    now = int(time.time())
    if EARLIEST <= now < LATEST:
        yield ok("clock", f"{utc(now)}, {'set by a time service' if _kept() else 'no time service sets it at the moment'}")
    elif subject.role == "air":
        yield unknown(
            "clock",
            f"it says {utc(now)}: the aircraft still flies, and uses the order's beginning as the time,"
            " but does not notice the order's end",
            SET,
            interrupts=True,
        )
    else:
        text = f"it says {utc(now)}: a station refuses every order with such a clock"
        yield do("clock", text, SET, interrupts=True)
    yield _entropy()


def _kept() -> bool:
    if sys.platform != "linux":
        return False
    return int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX_SIZE))) not in {TIME_ERROR, -1}


def _entropy() -> Finding:
    if sys.platform != "linux":
        return ok("entropy", "the system's own")
    try:
        os.getrandom(32, os.GRND_NONBLOCK)
    except BlockingIOError:
        return do("entropy", "no random bytes yet: no key can be drawn", "wait a minute, or: sudo apt install rng-tools5")
    return ok("entropy", "random bytes are available")
