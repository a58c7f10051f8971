"""RTMP ingest: controllers push their picture to us (DJI Pilot 2 and Fly, MSDK apps, Autel, OBS, ffmpeg, GStreamer).

What lives here: listening, connections, and which publisher has which path. What must not: the protocol (rtmp_session.py).
A publisher sends to rtmp://this-computer/PATH/KEY: what it takes for application, stream and key is up to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import os
import secrets
import socket
from collections.abc import Callable

from gateway.core.barrier import place_of
from gateway.sources.rtmp_refusal import Refusal, Refused
from gateway.sources.rtmp_session import RANDOM_SIZE, Session, State
from gateway.video.damage import Damage
from gateway.video.nal import AccessUnit
from gateway.video.rtp import CLOCK_HZ, TIMESTAMPS

NAMES = {"h264": "H.264", "h265": "H.265"}
CONNECTIONS_MAX = 8
UNREAD_MAX = 64 << 10  # bytes of answers that a peer does not read, in the kernel and again here
TAKEN_OVER_AFTER_S = 1.0  # a publisher that is silent for so long makes room for one that knows the stream key
RETRY_S = 1.0
CHECK_S = 0.25
LAST_WORD_S = 0.5
# Most publishers send the end of a picture only when all before it is acknowledged (RFC 896), and a kernel waits up to
# 40 ms with that. Linux forgets this option from time to time (tcp(7)).
QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)
WAITING = "waits for a publisher"

OnUnit = Callable[[AccessUnit, int], None]
OnState = Callable[[str], None]


async def serve(host: str, port: int, path: str, key: str, on_unit: OnUnit, on_state: OnState) -> None:
    """Take pictures for one path, until cancelled. Several paths may share an address.

    `on_unit` gets each picture and its RTP timestamp (90 kHz), which continues over publishers by the time between them;
    `on_state` a sentence for `zegel status`, when it changes. An address that cannot be bound is retried.
    """
    route = _Route(f"{path}/{key}" if key else path, on_unit, on_state)
    listener = _listeners.setdefault((host, port), _Listener(host, port))
    listener.routes.append(route)
    try:
        await listener.run(route)
    finally:
        listener.routes.remove(route)
        if route.publisher:
            route.publisher.end()
        if not listener.routes:
            _listeners.pop((host, port), None)


class _Route:
    """One path with its stream key, and the publisher that has it now."""

    def __init__(self, wanted: str, on_unit: OnUnit, on_state: OnState) -> None:
        self.wanted = wanted.encode()
        self.on_unit = on_unit
        self.publisher: _Connection | None = None
        self._on_state, self._told, self._refused = on_state, "", ""

    def tell(self, text: str) -> None:
        if text != self._told:
            self._told = text
            self._on_state(text)

    def tell_standing(self, refused: str = "") -> None:
        """The last refusal stays in the sentence until a publisher is accepted."""
        self._refused = refused or self._refused
        standing = self.publisher.standing if self.publisher else WAITING
        self.tell(f"{standing}; refused {self._refused}" if self._refused else standing)

    def give(self, publisher: _Connection) -> None:
        if self.publisher:
            self.publisher.end()
        self.publisher, self._refused = publisher, ""
        self.tell_standing()

    def take_back(self, publisher: _Connection) -> None:
        if self.publisher is publisher:
            self.publisher = None
            self.tell_standing()


class _Listener:
    """One address. The first of its paths keeps the socket, and the others wait for their turn to do so."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._bound = asyncio.Lock()
        self.routes: list[_Route] = []
        self._connections: dict[_Connection, None] = {}  # the oldest is first

    async def run(self, route: _Route) -> None:
        if self._bound.locked():
            route.tell_standing()
        async with self._bound:
            server = await self._bind()
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                server.close()

    async def _bind(self) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        while True:
            try:
                server = await loop.create_server(lambda: _Connection(self, loop), self._host, self._port)
            except OSError as error:
                why = os.strerror(error.errno) if error.errno else str(error)
                for route in self.routes:
                    route.tell(f"cannot listen at {self._host}:{self._port}: {why} (retrying)")
                await asyncio.sleep(RETRY_S)
            else:
                for route in self.routes:
                    route.tell_standing()
                return server

    def admit(self, connection: _Connection) -> None:
        """A crowd that does not publish must not keep a publisher out: the oldest of it goes."""
        if len(self._connections) >= CONNECTIONS_MAX:
            idle = next((other for other in self._connections if not other.publishes), connection)
            idle.refuse(Refusal.CROWD.value)
            self._connections.pop(idle, None)
            if idle is connection:
                return
        self._connections[connection] = None

    def remove(self, connection: _Connection) -> None:
        self._connections.pop(connection, None)

    def route_of(self, asked: str) -> _Route | None:
        """The path that is asked for with its stream key, in a time that tells nothing about the key."""
        given = asked.encode()
        found = [route for route in self.routes if hmac.compare_digest(route.wanted, given)]
        return found[0] if found else None


class _Connection(asyncio.Protocol):
    """One TCP connection.

    `standing`  what it is doing, for people
    """

    def __init__(self, listener: _Listener, loop: asyncio.AbstractEventLoop) -> None:
        self._listener, self._loop = listener, loop
        self._session = Session(self._admit, secrets.token_bytes(RANDOM_SIZE), loop.time())
        self._route: _Route | None = None
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._peer = ""
        self._began: int | None = None  # what is added to the publisher's timestamps
        self.standing = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._peer = str((transport.get_extra_info("peername") or ("",))[0])
        self._option(socket.SOL_SOCKET, socket.SO_SNDBUF, UNREAD_MAX)
        self._listener.admit(self)
        self._timer = self._loop.call_later(CHECK_S, self._check)

    def data_received(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if QUICK_ACK is not None:
            self._option(socket.IPPROTO_TCP, QUICK_ACK, 1)
        try:
            pictures = self._session.feed(data, self._loop.time())
        except Refused as error:
            self._transport.write(self._session.output())
            self.refuse(str(error))
            return
        except Exception as error:  # the barrier: one peer's bytes never end the process
            self.refuse(f"unexpected {place_of(error)}")
            return
        self._transport.write(self._session.output())
        if self._transport.get_write_buffer_size() > UNREAD_MAX:
            self.refuse(Refusal.NOT_READING.value)
        self._pass_on(pictures)
        if self._session.state is State.ENDED and self._route:
            # GStreamer takes it for a fault if the server hangs up first.
            self._route.take_back(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._listener.remove(self)
        if self._timer:
            self._timer.cancel()
        if self._route:
            self._route.take_back(self)

    def end(self) -> None:
        """A peer gets a moment to read the last answer."""
        if self._transport and not self._transport.is_closing():
            self._transport.close()
            self._loop.call_later(LAST_WORD_S, self._transport.abort)

    @property
    def publishes(self) -> bool:
        return self._route is not None

    def silent_s(self) -> float:
        return self._loop.time() - self._session.heard

    def _option(self, level: int, name: int, value: int) -> None:
        if self._transport:
            with contextlib.suppress(OSError):  # it has just been reset
                self._transport.get_extra_info("socket").setsockopt(level, name, value)

    def _admit(self, asked: str) -> Refusal | None:
        route = self._listener.route_of(asked)
        if route is None:
            return Refusal.PATH
        if route.publisher and route.publisher.silent_s() < TAKEN_OVER_AFTER_S:
            return Refusal.TAKEN
        self._route = route
        self.standing = f"a publisher at {self._peer} has sent no picture yet"
        route.give(self)
        return None

    def _pass_on(self, pictures: list[tuple[AccessUnit, int]]) -> None:
        if self._route is None or self._route.publisher is not self:
            return
        if pictures:
            standing = f"{NAMES[pictures[-1][0].codec]} from {self._peer}"
        elif self._began is None and Damage.CODEC in self._session.video.damage:
            standing = f"{Damage.CODEC.value}, from {self._peer}"
        else:
            return
        if standing != self.standing:
            self.standing = standing
            self._route.tell_standing()
        if self._began is None and pictures:
            # Each publisher counts from zero, and a player would wait for the time that it has seen already.
            self._began = round(self._loop.time() * CLOCK_HZ) - pictures[0][1]
        for unit, timestamp in pictures:
            self._route.on_unit(unit, ((self._began or 0) + timestamp) % TIMESTAMPS)

    def _check(self) -> None:
        try:
            self._session.check(self._loop.time())
        except Refused as error:
            self.refuse(str(error))
        else:
            self._timer = self._loop.call_later(CHECK_S, self._check)

    def refuse(self, reason: str) -> None:
        """To the paths that it may have been meant for, and the end of the connection."""
        if self._transport is None or self._transport.is_closing():
            return
        self.end()
        for route in [self._route] if self._route else self._listener.routes:
            route.tell_standing(f"{self._peer}: {reason}")


_listeners: dict[tuple[str, int], _Listener] = {}
