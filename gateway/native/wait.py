"""Wait: a loop waits in C, and C takes the turns of what comes, as long as they are plain (wait.c).

What lives here: one such wait. What must not: which turns are plain, and what a loop does after it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Protocol

from gateway.loop.poller import Descriptors
from gateway.native import structures
from gateway.native.library import Library
from gateway.native.structures import ENDS, End


class Turn(Protocol):
    """SealTurn or OpenTurn, prepared."""

    end: End

    @property
    def fd(self) -> int: ...

    def ended(self, done: int, now: float) -> int | None: ...


class Wait:
    """Of one loop."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._in_c = structures.Wait()
        self._at = ctypes.addressof(self._in_c)

    def take_turns(self, descriptors: Descriptors, turns: Sequence[Turn]) -> Turn | None:
        """Until it is Python's turn; the one that it has to go on with, if it is one of these."""
        known = [turn for turn in turns if turn.fd in descriptors.places][:ENDS]
        if not known:
            return None
        wait = self._in_c
        for place, turn in enumerate(known):
            turn.end.place = descriptors.places[turn.fd]
            wait.ends[place] = ctypes.pointer(turn.end)
        wait.descriptors, wait.descriptors_count, wait.ends_count = descriptors.address, descriptors.size, len(known)
        done: int = self._library.wait(self._at)
        if done >= 0:
            return None
        ended = known[wait.ended_by]
        return ended if ended.ended(done, ended.end.began) is None else None
