"""The reaction of the roles to unexpected errors (gateway.core.barrier): slow down, and answer the sender."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from gateway.core.barrier import Barrier
from keys.errors import KeysError

BREATHER_S = 0.001

Taken = TypeVar("Taken")


def breathe(barrier: Barrier) -> None:
    """Call it once a turn: repeated immediate failures must not take the whole processor."""
    if barrier.struck:
        barrier.struck = False
        time.sleep(BREATHER_S)


def refusing(barrier: Barrier, take: Callable[[bytes], Taken]) -> Callable[[bytes], Taken]:
    """`take` an order, and make unexpected exceptions a KeysError too, so that the sender of the order gets an answer."""

    def taking(data: bytes) -> Taken:
        try:
            return take(data)
        except KeysError:
            raise
        except Exception as error:
            raise KeysError(f"unexpected {barrier.note(error)}", hint="please report this line") from None

    return taking
