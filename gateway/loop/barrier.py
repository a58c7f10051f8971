"""What the roles do about what the barrier met (gateway.core.barrier): slow down, and tell whoever brought it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from gateway.core.barrier import Barrier
from keys.errors import KeysError

BREATHER_S = 0.001

Taken = TypeVar("Taken")


def breathe(barrier: Barrier) -> None:
    """Once a turn: what fails at once, again and again, must not take the whole processor."""
    if barrier.struck:
        barrier.struck = False
        time.sleep(BREATHER_S)


def refusing(barrier: Barrier, take: Callable[[bytes], Taken]) -> Callable[[bytes], Taken]:
    """`take` an order, and refuse by KeysError also what nobody expected, so that whoever brought the order is told."""

    def taking(data: bytes) -> Taken:
        try:
            return take(data)
        except KeysError:
            raise
        except Exception as error:
            raise KeysError(f"unexpected {barrier.note(error)}", hint="please report this line") from None

    return taking
