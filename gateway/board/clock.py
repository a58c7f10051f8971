"""Clock: whether the date can be true, who keeps it, and whether random bytes are to be had."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Iterator

from gateway.board.finding import Finding, do, ok, unknown
from gateway.board.subject import Subject
from keys.certificate import utc
from keys.order import EARLIEST, LATEST

TIME_ERROR = 5  # adjtimex(2): nobody keeps this clock right
TIMEX_SIZE = 512  # more than struct timex, which is read with no bit of `modes` set: nothing is adjusted
SET = "sudo timedatectl set-ntp true, or: sudo timedatectl set-time 'YYYY-MM-DD hh:mm:ss'"


def look(subject: Subject) -> Iterator[Finding]:
    """The date; entropy."""
    now = int(time.time())
    if EARLIEST <= now < LATEST:
        yield ok("clock", f"{utc(now)}, {'kept by a time service' if _kept() else 'kept by nobody at the moment'}")
    elif subject.role == "air":
        yield unknown(
            "clock",
            f"it says {utc(now)}: the aircraft flies all the same and takes the order's beginning for the time,"
            " but does not notice the order's end",
            SET,
        )
    else:
        yield do("clock", f"it says {utc(now)}: a station refuses every order with such a clock", SET)
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
        return do("entropy", "no random bytes yet: keys wait for them", "wait a minute, or: sudo apt install rng-tools5")
    return ok("entropy", "random bytes are there")
