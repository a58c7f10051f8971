"""Role: the loop of `zegel console`. What it hears of the grounds goes to the viewers, and nothing goes back.

What lives here: the tasks, the status, the end. What must not: any socket towards a ground but those that listen
(gateway/view/grounds.py), and any key.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from gateway import clock
from gateway.console import door, pages
from gateway.console.live import Live
from gateway.console.server import PageServer
from gateway.console.tiles import Tiles
from gateway.console.token_file import TokenFile
from gateway.console.transcoding import Transcoding
from gateway.console.view_state import ViewState
from gateway.endpoints.feed_reader import Published
from gateway.loop.watchdog import Manager
from gateway.report import console_status, keyless_loop
from gateway.report.console_status import ConsoleStatus
from gateway.report.log import say
from gateway.report.role_status import GroundStatus
from gateway.report.status_socket import Publisher
from gateway.view.grounds import Grounds

NAME = "console"
BY_LINK = "it runs; zegel console --link prints its link"
AGAIN_S = 1.0


class Role:
    """One start of `zegel console`. ConfigError if the map is none."""

    def __init__(
        self, port: int, tokens: TokenFile, manager: Manager, *, map_file: Path | None = None, transcode: bool = False
    ) -> None:
        self._port, self._tokens, self._manager = port, tokens, manager
        self._transcode = transcode
        self._tiles = Tiles(map_file) if map_file else None
        self._publisher = Publisher("console", NAME, holds_key=False)
        self._started = clock.now()
        self._unexpected = 0
        self._heard: set[str] = set()  # names of grounds
        self._shown = 0  # version of the view that viewers know

    def run(self, token: str, opened: Callable[[str], None] | None) -> None:
        """Until SIGINT or SIGTERM. `opened` gets the link as soon as it is good. ConfigError if the port is in use."""
        with self._publisher:
            asyncio.run(self._main(token, opened))

    async def _main(self, token: str, opened: Callable[[str], None] | None) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self._met(context.get("exception") or context["message"]))
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        self._prepare()
        tile = self._tiles.give if self._tiles else None
        self._server = PageServer(token, self._port, pages.load(), self._live.serve, self._tokens.renew, tile=tile)
        listening = await self._server.serve()
        self._tokens.tell(self._port)
        # The journal of a service is read by others, and kept.
        say("console", BY_LINK if "RUNTIME_DIRECTORY" in os.environ else f"open {door.link(token, self._port)}")
        if opened is not None:
            opened(door.link(token, self._port))
        works = (Grounds(self._take, self._take_status).follow, self._tell, self._live.tell)
        tasks = [asyncio.create_task(keyless_loop.keep(work, self._met, AGAIN_S)) for work in works]
        await stop.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, self._transcoding.close(), return_exceptions=True)
        listening.close()
        await listening.wait_closed()

    def _prepare(self) -> None:
        """What is seen, how it is made to H.264, and who gets it: each calls the next one."""
        transcodes = self._transcode and shutil.which("ffmpeg") is not None
        if self._transcode and not transcodes:
            say("console", "there is no ffmpeg, so H.265 is not made to H.264: sudo apt install ffmpeg")
        self._view = ViewState(self._seen)
        self._transcoding = Transcoding(self._view, self._show, wanted=transcodes)
        self._live = Live(self._view, self._transcoding.since_key, transcode=transcodes, tiles=self._tiles is not None)

    def _seen(self, stream: int, message: bytes, key: bool) -> None:
        self._transcoding.picture(stream, message, key)

    def _show(self, stream: int, message: bytes, key: bool) -> None:
        self._live.picture(stream, message, key)

    # --- what comes from the grounds ---

    def _take(self, ground: str, published: Published) -> None:
        self._view.take(ground, published)
        self._look()

    def _take_status(self, ground: str, status: GroundStatus | None) -> None:
        (self._heard.discard if status is None else self._heard.add)(ground)
        self._view.take_status(ground, status)
        self._look()

    def _look(self) -> None:
        if self._view.version != self._shown:
            self._shown = self._view.version
            self._live.changed()

    def _met(self, error: object) -> None:
        """Something unexpected, most often of the air: it is told, and costs itself alone."""
        self._unexpected += 1
        say("console", f"something unexpected was met and dropped: {error!r}")

    # --- the status ---

    async def _tell(self) -> None:
        await keyless_loop.publish(
            self._publisher, self._manager, self._status, console_status.in_a_line, self._look_around
        )

    def _look_around(self) -> None:
        """Whether the token was renewed by another process, and which transcoders are needed."""
        if self._tokens.changed():
            self._server.let_out(self._tokens.read())
        self._transcoding.keep(self._live.watched(), clock.now())

    def _status(self, now: float) -> ConsoleStatus:
        refused: Counter[str] = self._server.refused + self._live.refused
        return ConsoleStatus(
            name=NAME,
            uptime_s=round(now - self._started, 1),
            port=self._port,
            viewers=self._server.viewers,
            grounds=sorted(self._heard),
            pictures=self._live.pictures,
            browser_dropped=self._live.browser_dropped,
            refused={str(why): count for why, count in refused.items()},
            unexpected=self._unexpected,
            transcoders=len(self._transcoding),
            last_error=self._transcoding.last_error,
        )
