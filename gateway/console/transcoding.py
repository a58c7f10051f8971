"""Transcoding: which streams are made to H.264, and that viewers get that in place of H.265. One ffmpeg for each.

What lives here: when a transcoder begins and ends. What must not: its process (transcoder.py), viewers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Set
from typing import Protocol, TypeAlias

from gateway.console.transcoder import KEPT_MAX, UNREAD_MAX, Transcoder
from gateway.video.nal import Codec

UNWATCHED_S = 5.0  # a page that is loaded again finds it still running
TRANSCODERS_MAX = 4  # a quarter of a core each

OnPicture: TypeAlias = Callable[[int, bytes, bool], None]
Begin: TypeAlias = Callable[[Callable[[bytes, bool], None]], Transcoder]


class Streams(Protocol):
    """What is seen of the streams: gateway.console.view_state.ViewState."""

    transcoded: dict[int, str]

    def codec(self, stream_id: int) -> Codec | None: ...
    def since_key(self, stream_id: int) -> list[bytes]: ...


class Transcoding:
    """`picture` and `since_key` have the place of those of the view; `on_picture` gets what viewers get."""

    def __init__(self, view: Streams, on_picture: OnPicture, begin: Begin = Transcoder, *, wanted: bool) -> None:
        self._view, self._on_picture, self._begin, self._wanted = view, on_picture, begin, wanted
        self._running: dict[int, Transcoder] = {}
        self._watched_at: dict[int, float] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self.last_error = ""

    def __len__(self) -> int:
        return len(self._running)

    def picture(self, stream: int, message: bytes, key: bool) -> None:
        """One picture of the view."""
        if (one := self._running.get(stream)) is None:
            self._on_picture(stream, message, key)
        else:
            one.take(message)

    def since_key(self, stream: int) -> list[bytes]:
        """The messages since the last key picture, of what viewers get."""
        one = self._running.get(stream)
        return self._view.since_key(stream) if one is None else [*one.since_key]

    def keep(self, watched: Set[int], now: float) -> None:
        """Begin and end transcoders, by which streams pages show. Call it a few times a second."""
        for stream in watched if self._wanted else ():
            self._watched_at[stream] = now
            if stream not in self._running and self._view.codec(stream) == "h265" and len(self) < TRANSCODERS_MAX:
                self._start(stream)
        for stream, one in [*self._running.items()]:
            self.last_error = one.last_error or self.last_error
            if one.waits:
                self._catch_up(stream, one)
            if one.codec_string:
                self._view.transcoded[stream] = one.codec_string
            if now - self._watched_at[stream] > UNWATCHED_S or self._view.codec(stream) != "h265":
                self._stop(stream)

    async def close(self) -> None:
        """No ffmpeg runs any more."""
        for stream in [*self._running]:
            self._stop(stream)
        await asyncio.gather(*self._ending)

    def _start(self, stream: int) -> None:
        def came(message: bytes, key: bool) -> None:
            self._on_picture(stream, message, key)

        self._running[stream] = self._begin(came)

    def _catch_up(self, stream: int, one: Transcoder) -> None:
        """It begins with the pictures since the last key picture, unless those are many: then with the next one."""
        pictures = self._view.since_key(stream)
        if len(pictures) <= KEPT_MAX and sum(map(len, pictures)) < UNREAD_MAX:
            for message in pictures:
                one.take(message)

    def _stop(self, stream: int) -> None:
        del self._watched_at[stream]
        self._view.transcoded.pop(stream, None)
        task = asyncio.create_task(self._running.pop(stream).close())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
