"""Role: the loop of `zegel console`. What it hears of the grounds goes to the viewers, and nothing goes back.

What lives here: the tasks and the end. What must not: any socket towards a ground but those that listen, and any key.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection

from gateway import clock
from gateway.console import door, pages
from gateway.console.server import PageServer
from gateway.console.token_file import TokenFile
from gateway.loop.watchdog import Manager
from gateway.report.log import say

BY_LINK = "it runs; zegel console --link prints its link"
MICRO = 1_000_000
LOOK_EVERY_S = 0.5  # whether someone renewed the token, and the watchdog


class Role:
    """One start of `zegel console`."""

    def __init__(
        self, port: int, tokens: TokenFile, manager: Manager, *, map_file: Path | None = None, transcode: bool = False
    ) -> None:
        self._port, self._tokens, self._manager = port, tokens, manager
        self._transcode, self._map_file = transcode, map_file

    def run(self, token: str, opened: Callable[[str], None] | None) -> None:
        """Until SIGINT or SIGTERM. `opened` gets the link as soon as it is good."""
        asyncio.run(self._main(token, opened))

    async def _main(self, token: str, opened: Callable[[str], None] | None) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_unexpected)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        self._server = PageServer(token, self._port, pages.load(), self._view, self._tokens.renew)
        listening = await self._server.serve()
        self._tokens.tell(self._port)
        # The journal of a service is read by others, and kept.
        say("console", BY_LINK if "RUNTIME_DIRECTORY" in os.environ else f"open {door.link(token, self._port)}")
        if opened is not None:
            opened(door.link(token, self._port))
        looks = asyncio.create_task(self._look())
        await stop.wait()
        looks.cancel()
        listening.close()
        await listening.wait_closed()

    async def _look(self) -> None:
        while True:
            self._manager.turned(clock.now())
            if self._tokens.changed():
                self._server.let_out(self._tokens.read())
            await asyncio.sleep(LOOK_EVERY_S)

    async def _view(self, connection: ServerConnection) -> None:
        hello = {
            "type": "hello",
            "version": version("zegel"),
            "transcode": self._transcode,
            "tiles": self._map_file is not None,
            "now_us": int(time.time() * MICRO),
        }
        await connection.send(json.dumps(hello))
        await connection.wait_closed()


def _unexpected(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A callback has failed: it is told, and the others go on."""
    say("console", f"something unexpected was met and dropped: {context.get('exception') or context['message']!r}")
