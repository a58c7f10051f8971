"""Order end: the warnings before an order ends, in the log of either role. `zegel status` has the same (advice.py)."""

from __future__ import annotations

import math
from collections.abc import Callable

MINUTE_S = 60
WARN_BEFORE_S = (30 * MINUTE_S, 10 * MINUTE_S, 2 * MINUTE_S)


class OrderEnd:
    """`say` prints one line. Its alarms when the order is over are others: ORDER_ENDED, ORDER_OVER."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._told: int | None = None  # the mark that was passed last

    def look(self, left_s: float | None) -> None:
        """`left_s`: until the order ends; None if that is not known. After an extension each warning is printed again."""
        mark = passed(left_s)
        if left_s is not None and left_s > 0 and mark is not None and (self._told is None or mark < self._told):
            self._say(f"{in_words(left_s)}: extend it (zegel order extend) and load the new one, or land before")
        self._told = mark


def passed(left_s: float | None) -> int | None:
    """The last of the marks that is reached; None before the first."""
    return min((mark for mark in WARN_BEFORE_S if left_s is not None and left_s <= mark), default=None)


def in_words(left_s: float) -> str:
    minutes = math.ceil(left_s / MINUTE_S)
    return f"the order ends in {minutes} minute{'s' if minutes > 1 else ''}"
