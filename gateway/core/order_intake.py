"""Order intake: which order from the link is parsed next, and which is never parsed again. SPEC.md section 4.6.

Every holder of a lane's key can send orders in it at the rate of the link, and parsing one (COSE, CBOR, certificates,
signatures) takes a hundred times as long as sending one. So each source has its turn: a station aboard, a session at a
ground. What lives here: the pieces of each source, its waiting complete order, the turns, and the refused orders. The
caller judges an order. Sans-IO: time is an argument.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

from gateway.core.order_fragments import Gathering

SOURCE_EVERY_S = 1.0  # orders of one source
ANY_EVERY_S = 0.1  # of all sources
REFUSED_MAX = 64

Source = TypeVar("Source", bound=Hashable)


class _Waiting:
    """The state of one source: the collected pieces, and the newest complete order that was not parsed yet."""

    __slots__ = ("due", "gathering", "whole")

    def __init__(self) -> None:
        self.gathering = Gathering()
        self.whole: bytes | None = None
        self.due = float("-inf")


class OrderIntake(Generic[Source]):
    """A source holds at most two orders. The caller bounds the number of sources, with `keep`."""

    def __init__(self) -> None:
        self._sources: dict[Source, _Waiting] = {}  # the source of the last turn comes last
        self._refused: dict[bytes, None] = {}  # SHA-256 of files, the newest last
        self._due = float("-inf")

    def add(self, source: Source, content: bytes) -> None:
        """An order fragment. ValueError if it is not one, or completes an order that does not have its name.

        Nothing is parsed. A refused order is not kept; a newer one of the same source replaces a waiting one.
        """
        waiting = self._sources.setdefault(source, _Waiting())
        whole = waiting.gathering.add(content)
        if whole is not None and not self._was_refused(whole):
            waiting.whole = whole

    def pop(self, now: float) -> tuple[Source, bytes] | None:
        """(source, file) of the order whose turn it is; None if none waits, or none may be parsed yet.

        It counts as refused from now on, even if the caller fails meanwhile; `look_again` cancels this.
        """
        if now < self._due:
            return None
        for source, waiting in self._sources.items():
            if waiting.whole is not None and self._was_refused(waiting.whole):
                waiting.whole = None
            if waiting.whole is not None and now >= waiting.due:
                whole, waiting.whole = waiting.whole, None
                waiting.due, self._due = now + SOURCE_EVERY_S, now + ANY_EVERY_S
                self._sources[source] = self._sources.pop(source)
                self._refuse(whole)
                return source, whole
        return None

    def look_again(self, data: bytes) -> None:
        """The order of `pop` was refused because of the clock or the disk: when it comes again, it is treated as new."""
        self._refused.pop(_digest(data), None)

    def forget_refusals(self) -> None:
        """Another order is in force, and a refused order may succeed this one."""
        self._refused.clear()

    def keep(self, sources: Collection[Source]) -> None:
        """Forget the sources that are not among these."""
        self._sources = {source: waiting for source, waiting in self._sources.items() if source in sources}

    def _refuse(self, data: bytes) -> None:
        self._refused[_digest(data)] = None
        if len(self._refused) > REFUSED_MAX:
            del self._refused[next(iter(self._refused))]

    def _was_refused(self, data: bytes) -> bool:
        """If so, it counts as refused just now, because repeated orders must be remembered."""
        digest = _digest(data)
        if digest not in self._refused:
            return False
        self._refused[digest] = self._refused.pop(digest)
        return True


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
