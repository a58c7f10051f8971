"""Role: the loop of `zegel console`. What it hears of the grounds goes to the viewers, and nothing goes back.

What lives here: the tasks, the status, the end. What must not: any socket towards a ground but those that listen
(gateway/view/grounds.py), and any key.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway import clock
from gateway.console import door, pages
from gateway.console.live import Live
from gateway.console.server import PageServer
from gateway.console.tiles import Tiles
from gateway.console.token_file import TokenFile
from gateway.loop.watchdog import Manager
from gateway.report import console_status
from gateway.report.console_status import ConsoleStatus
from gateway.report.log import say
from gateway.report.status_socket import Publisher

NAME = "console"
BY_LINK = "it runs; zegel console --link prints its link"
STATUS_EVERY_S = 0.5


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

    def run(self, token: str, opened: Callable[[str], None] | None) -> None:
        """Until SIGINT or SIGTERM. `opened` gets the link as soon as it is good. ConfigError if the port is in use."""
        with self._publisher:
            asyncio.run(self._main(token, opened))

    async def _main(self, token: str, opened: Callable[[str], None] | None) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_unexpected)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        self._live = Live(_NoView(), transcode=self._transcode, tiles=self._tiles is not None)
        tile = self._tiles.give if self._tiles else None
        self._server = PageServer(token, self._port, pages.load(), self._live.serve, self._tokens.renew, tile=tile)
        listening = await self._server.serve()
        self._tokens.tell(self._port)
        # The journal of a service is read by others, and kept.
        say("console", BY_LINK if "RUNTIME_DIRECTORY" in os.environ else f"open {door.link(token, self._port)}")
        if opened is not None:
            opened(door.link(token, self._port))
        tasks = [asyncio.create_task(each) for each in (self._tell(), self._live.tell())]
        await stop.wait()
        for task in tasks:
            task.cancel()
        listening.close()
        await listening.wait_closed()

    async def _tell(self) -> None:
        """Publish the status, and see whether the token was renewed by another process."""
        while True:
            now = clock.now()
            status = self._status(now)
            self._publisher.send(status)
            self._manager.turned(now)
            self._manager.tell(functools.partial(console_status.in_a_line, status))
            for _ in range(5):  # a reader that has just connected is attached soon
                if self._tokens.changed():
                    self._server.let_out(self._tokens.read())
                await asyncio.sleep(STATUS_EVERY_S / 5)
                self._publisher.attach()

    def _status(self, now: float) -> ConsoleStatus:
        refused: Counter[str] = self._server.refused + self._live.refused
        return ConsoleStatus(
            name=NAME,
            uptime_s=round(now - self._started, 1),
            port=self._port,
            viewers=self._server.viewers,
            grounds=[],
            pictures=self._live.pictures,
            browser_dropped=self._live.browser_dropped,
            refused={str(why): count for why, count in refused.items()},
            unexpected=0,
            transcoders=0,
            last_error="",
        )


class _NoView:
    """No ground is followed yet."""

    version = 0

    def state(self, browser_dropped: int = 0) -> bytes:
        return json.dumps({"type": "state", "browser_dropped": browser_dropped, "grounds": [], "aircraft": []}).encode()

    def tracks(self, after: int = 0) -> tuple[list[bytes], int]:
        return [], after

    def stream_id(self, ground: str, device: str, lane: str) -> int | None:  # noqa: ARG002
        return None

    def since_key(self, stream_id: int) -> list[bytes]:  # noqa: ARG002
        return []


def _unexpected(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A callback has failed: it is told, and the others go on."""
    say("console", f"something unexpected was met and dropped: {context.get('exception') or context['message']!r}")
