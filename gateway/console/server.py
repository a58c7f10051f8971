"""Server: the console's HTTP and its sockets, on this computer alone. websockets, in asyncio.

What lives here: what is sent for each request that the door let in, and how much a stranger may make us do: connections,
bytes, time. What must not: who may enter (door.py), what a viewer is sent (viewers.py).

A connection that has not shown the token yet may send HEAD_SIZE_MAX bytes in HEAD_WITHIN_S. There are CONNECTIONS_MAX of
them at most, of which the oldest makes room for a new one, and each is for one request. Wrong tokens are answered late, and
only some at a time: a token of 256 bits is not guessed, but a program that tries shall not take the processor.
"""

from __future__ import annotations

import asyncio
import http
import logging
import os
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.protocol import State

from gateway.console import door
from gateway.console.door import Door, Refusal, Way
from gateway.console.pages import File
from gateway.errors import ConfigError

ADDRESSES = ("127.0.0.1", "::1")  # localhost is either; what we leave free another user of this computer could listen on
CONNECTIONS_MAX = 64
HEAD_SIZE_MAX = 8 << 10
HEAD_WITHIN_S = 5.0  # also for taking the answer
MESSAGE_SIZE_MAX = 1 << 10  # of what a page says
MESSAGES_MAX = 4  # that wait to be read
WRITE_MAX = 64 << 10  # bytes that wait in a connection; what a viewer is sent beyond waits in its bounded queue
SAID_MAX_PER_S = 64 << 10  # bytes of a socket, with its answers to pings; a page of ours says some hundred
SEND_BUFFER = 256 << 10  # bytes in the kernel, which would keep seconds of video for a browser that stands still
WRONG_WAITS_S, WRONG_MAX = 0.25, 8
PING_EVERY_S, PONG_WITHIN_S = 10.0, 10.0
CLOSE_WITHIN_S = 2.0
TOO_MANY, MALFORMED = "too_many", "malformed"  # counted like each door.Refusal

STATUS = {
    Refusal.HOST: http.HTTPStatus.MISDIRECTED_REQUEST,
    Refusal.ORIGIN: http.HTTPStatus.FORBIDDEN,
    Refusal.METHOD: http.HTTPStatus.METHOD_NOT_ALLOWED,
    Refusal.NO_TOKEN: http.HTTPStatus.FORBIDDEN,
    Refusal.WRONG_TOKEN: http.HTTPStatus.FORBIDDEN,
}
SENTENCES = {
    Refusal.HOST: "The console answers only to 127.0.0.1 and localhost.",
    Refusal.ORIGIN: "Only the console's own page may ask for this.",
    Refusal.METHOD: "The console takes nothing.",
    Refusal.NO_TOKEN: "Open the link that zegel console printed; on an installed station, zegel console --link prints it.",
    Refusal.WRONG_TOKEN: "This link is no longer good: open the one that zegel console --link prints.",
}
NOT_FOUND = "There is no such page."
OUT = "You are logged out. zegel console --link prints a new link."
FULL = "Too many viewers: close another page first."
PLAIN = "text/plain; charset=utf-8"

Tile = Callable[[str], Awaitable[File | None]]  # by the path of its request
Live = Callable[[ServerConnection], Awaitable[None]]  # a viewer, until it leaves


class _Connection(ServerConnection):
    """One connection, which is closed if it says too much."""

    server_of_pages: PageServer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._said, self._since = 0, float("inf")
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        if not self.server_of_pages.made(self):
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """websockets would read on for its close_timeout what comes after a frame that it refuses."""
        now, connecting = self.loop.time(), self.protocol.state is State.CONNECTING
        if not connecting and not now - self._since < 1:
            self._said, self._since = 0, now
        self._said += len(data)
        if self._said > (HEAD_SIZE_MAX if connecting else SAID_MAX_PER_S):
            self.server_of_pages.refused[MALFORMED] += 1
            self.transport.abort()
        else:
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.server_of_pages.lost(self)


class PageServer:
    """`files` and `tile` are what a page is given, `live` is what a socket is; `renew` makes a new token.

    `refused` counts by door.Refusal, TOO_MANY and MALFORMED. `viewers_max`: sockets at a time.
    """

    def __init__(
        self,
        token: str,
        port: int,
        files: Mapping[str, File],
        live: Live,
        renew: Callable[[], str],
        *,
        tile: Tile | None = None,
        viewers_max: int = 16,
    ) -> None:
        self.door = Door(token, port)
        self.refused: Counter[str] = Counter()
        self._port, self._files, self._live, self._tile, self._renew = port, files, live, tile, renew
        self._viewers_max = viewers_max
        self._here: dict[_Connection, None] = {}  # the oldest is first
        self._wrong = 0  # that wait for their answer
        self._viewers: set[ServerConnection] = set()
        self._log = logging.Logger("console", logging.CRITICAL + 1)  # the head of a request has the token

    @property
    def viewers(self) -> int:
        return len(self._viewers)

    async def serve(self) -> Server:
        """Listen from now on. ConfigError if the port is in use."""
        kind = type("Connection", (_Connection,), {"server_of_pages": self})
        try:
            return await serve(
                self._view,
                create_connection=kind,
                process_request=self._answer,
                compression=None,
                server_header=None,
                logger=self._log,
                open_timeout=HEAD_WITHIN_S,
                close_timeout=CLOSE_WITHIN_S,
                ping_interval=PING_EVERY_S,
                ping_timeout=PONG_WITHIN_S,
                max_size=MESSAGE_SIZE_MAX,
                max_queue=MESSAGES_MAX,
                write_limit=WRITE_MAX,
                backlog=CONNECTIONS_MAX,
                host=_addresses(),  # type: ignore[arg-type]  # asyncio takes a list, too
                port=self._port,
            )
        except OSError as error:
            raise ConfigError(
                f"port {self._port} cannot be had: {os.strerror(error.errno or 0)}",
                hint=f"if another program has it, ss -ltnp 'sport = :{self._port}' names that; --port takes another one",
            ) from None

    def let_out(self, token: str) -> None:
        """The token is another: viewers that came with the earlier one are out."""
        self.door.token = token
        for viewer in self._viewers:
            asyncio.get_running_loop().create_task(viewer.close(1008, "logged out"))

    # --- connections ---

    def made(self, connection: _Connection) -> bool:
        """Whether there is room for it: the oldest that has not become a socket makes room."""
        if len(self._here) >= CONNECTIONS_MAX:
            self.refused[TOO_MANY] += 1
            waiting = next((one for one in self._here if one.protocol.state is State.CONNECTING), None)
            if waiting is None:
                return False
            waiting.transport.abort()
            self.lost(waiting)
        self._here[connection] = None
        return True

    def lost(self, connection: _Connection) -> None:
        self._here.pop(connection, None)

    # --- one request ---

    async def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """The answer; None: it becomes a socket."""
        decided = self.door.decide(request.method, request.path, request.headers.raw_items())
        if isinstance(decided, Refusal):
            return await self._refuse(connection, decided)
        if decided is Way.ENTER:
            headers = (self.door.cookie(), ("Location", "/"))
            return self._response(http.HTTPStatus.SEE_OTHER, File(PLAIN, b""), *headers)
        if decided is Way.LOGOUT:
            self.let_out(self._renew())
            return self._response(http.HTTPStatus.OK, _text(OUT), door.NO_COOKIE)
        if decided is Way.LIVE:
            if self.viewers < self._viewers_max:
                return None
            self.refused[TOO_MANY] += 1
            return self._response(http.HTTPStatus.SERVICE_UNAVAILABLE, _text(FULL))
        return await self._give(request.path.partition("?")[0])

    async def _refuse(self, connection: ServerConnection, why: Refusal) -> Response:
        self.refused[why] += 1
        if why is Refusal.WRONG_TOKEN:
            if self._wrong >= WRONG_MAX:
                connection.transport.abort()
            else:
                self._wrong += 1
                try:
                    await asyncio.sleep(WRONG_WAITS_S)
                finally:
                    self._wrong -= 1
        return self._response(STATUS[why], _text(SENTENCES[why]))

    async def _give(self, path: str) -> Response:
        found = self._files.get(path)
        if found is None and self._tile is not None:
            found = await self._tile(path)
        if found is None:
            return self._response(http.HTTPStatus.NOT_FOUND, _text(NOT_FOUND))
        return self._response(http.HTTPStatus.OK, found)

    def _response(self, status: http.HTTPStatus, file: File, *more: tuple[str, str]) -> Response:
        """One answer ends its connection."""
        length = ("Content-Length", str(len(file.body)))
        headers = Headers([("Connection", "close"), length, ("Content-Type", file.kind), *self.door.headers, *more])
        return Response(status.value, status.phrase, headers, file.body)

    # --- one socket ---

    async def _view(self, connection: ServerConnection) -> None:
        self._viewers.add(connection)
        try:
            await self._live(connection)
        finally:
            self._viewers.discard(connection)


def _text(sentence: str) -> File:
    return File(PLAIN, f"{sentence}\n".encode())


def _addresses() -> list[str]:
    """Those of loopback that this computer has."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind((ADDRESSES[1], 0))
    except OSError:
        return [ADDRESSES[0]]
    return [*ADDRESSES]
