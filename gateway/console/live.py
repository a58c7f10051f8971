"""Live: each browser's socket, from its hello to its end. What is seen goes out, and what a page may say stays here.

What lives here: the tasks of one viewer, and when the state is sent. What must not: what is seen (view_state.py), what is
dropped (viewers.py), who may enter (door.py). A page that says anything but page_messages.py is disconnected and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import Counter
from importlib.metadata import version
from typing import Protocol

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from gateway import clock
from gateway.console import page_messages
from gateway.console.page_messages import Again, StreamName, Watch
from gateway.console.viewers import SinceKey, Viewer

STATE_EVERY_S = 0.25
STATE_AT_ONCE_S = 0.02  # after an important change: several come together
SAID_PER_S = 20  # messages of one page
MICRO = 1_000_000
UNWANTED = "message"  # the counter of what no page of ours says
NOT_OURS = {CloseCode.MESSAGE_TOO_BIG, CloseCode.PROTOCOL_ERROR, CloseCode.INVALID_DATA}  # why websockets closed it


class View(Protocol):
    """What is seen of the grounds: gateway.console.view_state.ViewState."""

    @property
    def version(self) -> int: ...
    def state(self, browser_dropped: int = 0) -> bytes: ...
    def tracks(self, after: int = 0) -> tuple[list[bytes], int]: ...
    def stream_id(self, ground: str, device: str, lane: str) -> int | None: ...


class Live:
    """All viewers of one console. `refused` counts what pages said that none of ours says."""

    def __init__(self, view: View, since_key: SinceKey, *, transcode: bool, tiles: bool) -> None:
        self.refused: Counter[str] = Counter()
        self.pictures = 0  # of all streams
        self._dropped = 0  # pictures that viewers which have left did not get
        self._view, self._since_key, self._transcode, self._tiles = view, since_key, transcode, tiles
        self._viewers: dict[Viewer, list[StreamName]] = {}
        self._changed = asyncio.Event()

    @property
    def browser_dropped(self) -> int:
        """Pictures that a browser was too slow for."""
        return self._dropped + sum(viewer.dropped for viewer in self._viewers)

    def watched(self) -> set[int]:
        """The streams that any viewer watches."""
        return {stream for viewer in self._viewers for stream in viewer.watched}

    def changed(self) -> None:
        """Something important is another: the state is sent at once."""
        self._changed.set()

    def picture(self, stream: int, data: bytes, key: bool) -> None:
        """One picture, as the message that a browser gets."""
        self.pictures += 1
        now = clock.now()
        for viewer in self._viewers:
            viewer.offer(stream, data, now, key=key)

    async def serve(self, connection: ServerConnection) -> None:
        """One viewer, until it leaves."""
        with contextlib.suppress(ConnectionClosed):
            await connection.send(self._hello(), text=True)
        viewer = Viewer(self._since_key)
        self._viewers[viewer] = []
        self._show(viewer)
        sender = asyncio.create_task(_send(connection, viewer))
        try:
            await self._listen(connection, viewer)
        finally:
            sender.cancel()
            del self._viewers[viewer]
            self._dropped += viewer.dropped

    async def tell(self) -> None:
        """Send the state, until this is cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), STATE_EVERY_S)
                await asyncio.sleep(STATE_AT_ONCE_S)
            self._changed.clear()
            for viewer in self._viewers:
                self._show(viewer)

    def _hello(self) -> bytes:
        said = {"type": "hello", "version": version("zegel"), "transcode": self._transcode, "tiles": self._tiles}
        return json.dumps({**said, "now_us": int(time.time() * MICRO)}).encode()

    def _show(self, viewer: Viewer) -> None:
        self._watch(viewer)
        viewer.show_state(self._view.state(viewer.dropped))
        if viewer.wants_texts:
            texts, viewer.track_cursor = self._view.tracks(viewer.track_cursor)
            viewer.tell(texts)

    def _watch(self, viewer: Viewer) -> None:
        """Streams come and go, and one that comes back has another number."""
        found = (self._view.stream_id(name.ground, name.device, name.lane) for name in self._viewers[viewer])
        viewer.watch((stream for stream in found if stream is not None), clock.now())

    # --- what a page says ---

    async def _listen(self, connection: ServerConnection, viewer: Viewer) -> None:
        said, since = 0, clock.now()
        try:
            async for message in connection:
                now = clock.now()
                if now - since >= 1:
                    said, since = 0, now
                said += 1
                if said > SAID_PER_S or not self._take(message, viewer):
                    self.refused[UNWANTED] += 1
                    await connection.close(CloseCode.POLICY_VIOLATION, "the console takes no such message")
                    return
        except ConnectionClosed:
            if connection.close_code in NOT_OURS:
                self.refused[UNWANTED] += 1

    def _take(self, message: str | bytes, viewer: Viewer) -> bool:
        """Whether it is something that a page may say."""
        said = page_messages.decoded(message)
        if isinstance(said, Watch):
            self._viewers[viewer] = said.streams
            self._watch(viewer)
        elif isinstance(said, Again):
            viewer.again(said.stream, clock.now())
        return said is not None


async def _send(connection: ServerConnection, viewer: Viewer) -> None:
    """One message at a time: the next one is chosen when the browser has taken this one."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            await viewer.ready.wait()
            if message := viewer.next(clock.now()):
                await connection.send(message.data, text=message.text)
