"""Order intake: which order that came by the link is looked into next, and which never again. SPEC.md section 4.6.

Every holder of a lane's key can send orders in it at the rate of the link, and to look into one (COSE, CBOR, certificates,
signatures) takes a hundred times as long as to send one. So each source has its turn: a station aboard, a session at a
ground. What lives here: the pieces of each source, the whole order that waits, whose turn it is, and what was looked into
in vain. What an order is worth is its caller's. Sans-IO: time is an argument.
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
    """Of one source: what is gathered, and the newest whole order that was not looked into yet."""

    __slots__ = ("due", "gathering", "whole")

    def __init__(self) -> None:
        self.gathering = Gathering()
        self.whole: bytes | None = None
        self.due = float("-inf")


class OrderIntake(Generic[Source]):
    """A source holds two orders at most. The caller bounds how many sources there are, with `keep`."""

    def __init__(self) -> None:
        self._sources: dict[Source, _Waiting] = {}  # the one that had a turn last comes last
        self._refused: dict[bytes, None] = {}  # SHA-256 of files, the newest last
        self._due = float("-inf")

    def add(self, source: Source, content: bytes) -> None:
        """An order fragment. ValueError if it is none, or completes an order that has not its name.

        Nothing is parsed. An order that was refused is not kept; one that waits gives way to a newer one of its source.
        """
        waiting = self._sources.setdefault(source, _Waiting())
        whole = waiting.gathering.add(content)
        if whole is not None and not self._was_refused(whole):
            waiting.whole = whole

    def take(self, now: float) -> tuple[Source, bytes] | None:
        """(source, file) of the order whose turn it is; None if none waits, or may be looked into yet.

        It counts as refused from now on, whatever happens to the caller meanwhile: `look_again` if that does not last.
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
        """What `take` gave was refused by the clock or by the disk: once it comes again, it is as good as new."""
        self._refused.pop(_digest(data), None)

    def forget_refusals(self) -> None:
        """Another order is in force, and what did not succeed the last one may succeed this."""
        self._refused.clear()

    def keep(self, sources: Collection[Source]) -> None:
        """Let go of the sources that are not among these."""
        self._sources = {source: waiting for source, waiting in self._sources.items() if source in sources}

    def _refuse(self, data: bytes) -> None:
        self._refused[_digest(data)] = None
        if len(self._refused) > REFUSED_MAX:
            del self._refused[next(iter(self._refused))]

    def _was_refused(self, data: bytes) -> bool:
        """It counts as refused just now then: what comes again and again is what has to be remembered."""
        digest = _digest(data)
        if digest not in self._refused:
            return False
        self._refused[digest] = self._refused.pop(digest)
        return True


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
