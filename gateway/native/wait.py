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
        self._prepared: object = None  # what C knows is for these descriptors and turns
        self._known: list[Turn] = []  # those of these turns whose descriptors are waited for

    def take_turns(self, descriptors: Descriptors, turns: Sequence[Turn]) -> Turn | None:
        """Until it is Python's turn; the one that it has to go on with, if it is one of these."""
        wanted = descriptors, [(turn, turn.fd) for turn in turns]
        if wanted != self._prepared:
            self._prepared = wanted
            self._prepare(descriptors, turns)
        if not self._known:
            return None
        done: int = self._library.wait(self._at)
        if done >= 0:
            return None
        ended: Turn = self._known[self._in_c.ended_by]
        if (came := ended.ended(done, ended.end.began)) is None:
            return ended
        self._library.note(ctypes.addressof(ended.end), came)
        return None

    def _prepare(self, descriptors: Descriptors, turns: Sequence[Turn]) -> None:
        self._known = known = [turn for turn in turns if turn.fd in descriptors.places][:ENDS]
        for place, turn in enumerate(known):
            turn.end.place = descriptors.places[turn.fd]
            self._in_c.ends[place] = ctypes.pointer(turn.end)
        self._in_c.descriptors, self._in_c.descriptors_count = descriptors.address, descriptors.size
        self._in_c.ends_count = len(known)
