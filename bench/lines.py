"""Lines: the progress of a run without a terminal: a line at the start of each measurement, and then one now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

EVERY_S = 15.0


class Lines:
    """Writes to `out`: the measurement `name`, how far it is, and its present step."""

    def __init__(self, name: str, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._name, self._out, self._clock = name, out, clock
        self._began = clock()
        self._next = self._began

    def show(self, done: float, total: float, what: str) -> None:
        """A bench.result.Progress."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + EVERY_S
        share = f"{100 * done / total:.0f} % of this part" if total else "begins"
        print(f"{self._name}, {now - self._began:.0f} s: {what}, {share}", file=self._out, flush=True)
