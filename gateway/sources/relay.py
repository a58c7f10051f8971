"""Relay: takes the RTP that a command sends to a port of this computer, and no other.

What lives here: one UDP endpoint in asyncio. Another user's program could otherwise put a picture there.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence

from gateway import clock
from gateway.batch import Batch
from gateway.endpoint_state import State
from gateway.endpoints import Endpoint, open_endpoint
from gateway.endpoints.address import parse
from gateway.endpoints.plain_users import PlainUsers
from gateway.endpoints.socket_users import AVAILABLE

TICK_S = 0.25
ATTEMPTS = 16


class Relay:
    """Listens at `port` of 127.0.0.1 as long as it exists; `take` gets the datagrams of programs of our own user.

    `heard` is called before: something came.
    """

    def __init__(self, take: Callable[[Sequence[bytes]], None]) -> None:
        self._take = take
        self.heard: Callable[[], None] = lambda: None
        self._batch = Batch()
        self._loop = asyncio.get_running_loop()
        self._endpoint = self._opened()
        self.port = self._endpoint.address.port
        for fd, _ in self._endpoint.interests():
            self._loop.add_reader(fd, self._read)
        self._timer = self._loop.call_later(TICK_S, self._tick)

    @property
    def kept_out(self) -> int:
        """Datagrams of other users."""
        return self._endpoint.counters.kept_out

    def _opened(self) -> Endpoint:
        users = PlainUsers({os.geteuid()}) if AVAILABLE else None
        for _ in range(ATTEMPTS):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            endpoint = open_endpoint(parse(f"udpin:127.0.0.1:{port}"), users=users)
            endpoint.tick(clock.now())
            if endpoint.state is State.IDLE:
                return endpoint
        raise OSError(endpoint.last_error)

    def _read(self) -> None:
        self._endpoint.receive_into(self._batch, clock.now())
        if self._batch.count:
            self.heard()
            self._take(self._batch.datagrams())

    def _tick(self) -> None:
        self._endpoint.tick(clock.now())
        self._timer = self._loop.call_later(TICK_S, self._tick)

    def close(self) -> None:
        self._timer.cancel()
        for fd, _ in self._endpoint.interests():
            self._loop.remove_reader(fd)
        self._endpoint.close()
