"""Viewers: what each browser is sent next. A browser that is slow loses pictures, and delays and costs no one else.

What lives here: the bounded queue of one viewer, and what is dropped from it. What must not: sockets, and what a picture or
a state is (view_state.py). Times are of one clock, in seconds, and are arguments.

A browser that does not read for BEHIND_AFTER_S is behind: all that waits for it is dropped and counted. When it reads
again, or at the next key picture, each stream goes on with the pictures since its last key picture, so that it can be
decoded.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

BEHIND_AFTER_S = 1.0
BYTES_MAX = 12 << 20  # of pictures that wait for one viewer; those since a key picture may be 8 MiB
AGAIN_AFTER_S = 0.5  # between two times that one stream is sent since its key picture

SinceKey: TypeAlias = Callable[[int], list[bytes]]  # the messages of a stream's pictures since its last key picture


class Message(NamedTuple):
    """One message for a browser."""

    data: bytes
    text: bool


class _Waiting(NamedTuple):
    stream: int
    data: bytes
    since: float


class Viewer:
    """One browser. `watched`: the streams that it shows.

    `dropped` counts its pictures that it did not get; `ready` is set while `next` may have something.
    """

    def __init__(self, since_key: SinceKey) -> None:
        self.dropped = 0
        self.ready = asyncio.Event()
        self.track_cursor = 0  # of gateway.console.view_state
        self._since_key = since_key
        self._state: bytes | None = None
        self._texts: deque[bytes] = deque()
        self._pictures: deque[_Waiting] = deque()
        self._bytes = 0
        self.watched: set[int] = set()
        self._behind: dict[int, float] = {}  # streams that must go on at a key picture, and from when they may
        self._sent_again: dict[int, float] = {}

    @property
    def wants_texts(self) -> bool:
        """Whether it has been sent all texts but the state."""
        return not self._texts

    def watch(self, streams: Iterable[int], now: float) -> None:
        """From now on it gets these, each from its last key picture on, and no others."""
        wanted = set(streams)
        for gone in self.watched - wanted:
            self._forget(gone)
        begun = wanted - self.watched
        self.watched = wanted
        for stream in sorted(begun):
            self.again(stream, now)

    def again(self, stream: int, now: float) -> None:
        """Its decoder begins again: it gets the stream from its last key picture on, but not more often than it may."""
        if stream in self.watched:
            self._forget(stream)
            self._behind[stream] = self._sent_again.get(stream, now - AGAIN_AFTER_S) + AGAIN_AFTER_S
            self.ready.set()

    def show_state(self, state: bytes) -> None:
        """Only the newest one waits."""
        self._state = state
        self.ready.set()

    def tell(self, texts: Iterable[bytes]) -> None:
        """Each of these waits; offer more only if it `wants_texts`."""
        self._texts.extend(texts)
        self.ready.set()

    def offer(self, stream: int, data: bytes, now: float, *, key: bool) -> None:
        """One picture of a stream."""
        if stream not in self.watched:
            return
        if self._pictures and now - self._pictures[0].since > BEHIND_AFTER_S:
            self._fall_behind(now)
        if stream in self._behind:
            if not key:
                self.dropped += 1
                if now >= self._behind[stream]:
                    self.ready.set()
                return
            del self._behind[stream]
        self._put(stream, data, now)
        if self._bytes > BYTES_MAX:
            self._fall_behind(now)
        self.ready.set()

    def next(self, now: float) -> Message | None:
        """What it is sent now; None if nothing waits."""
        if self._state is not None:
            state, self._state = self._state, None
            return Message(state, text=True)
        if self._texts:
            return Message(self._texts.popleft(), text=True)
        if not self._pictures:
            self._catch_up(now)
        if self._pictures:
            picture = self._pictures.popleft()
            self._bytes -= len(picture.data)
            return Message(picture.data, text=False)
        self.ready.clear()
        return None

    def _put(self, stream: int, data: bytes, now: float) -> None:
        self._pictures.append(_Waiting(stream, data, now))
        self._bytes += len(data)

    def _fall_behind(self, now: float) -> None:
        self.dropped += len(self._pictures)
        self._pictures.clear()
        self._bytes = 0
        for stream in self.watched:
            self._behind[stream] = max(now, self._sent_again.get(stream, now - AGAIN_AFTER_S) + AGAIN_AFTER_S)

    def _catch_up(self, now: float) -> None:
        """It has read all: streams that wait for a key picture go on from the last one, if that is not too much."""
        for stream in sorted(stream for stream, at in self._behind.items() if now >= at):
            del self._behind[stream]
            pictures = self._since_key(stream)
            self._sent_again[stream] = now
            if self._bytes + sum(map(len, pictures)) > BYTES_MAX:
                self._behind[stream] = float("inf")
                continue
            for data in pictures:
                self._put(stream, data, now)

    def _forget(self, stream: int) -> None:
        """Nothing of it waits any more. It is not counted: the browser asked for that."""
        self._pictures = deque(picture for picture in self._pictures if picture.stream != stream)
        self._bytes = sum(len(picture.data) for picture in self._pictures)
        self._behind.pop(stream, None)
