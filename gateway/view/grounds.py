"""Grounds: follows every ground of this computer: its status, and its feed, whose address the status has.

What lives here: sockets, and waiting for them. What must not: what a message means (fleet.py), and any way to a ground:
these sockets only subscribe. A ground that starts, ends or starts again is noticed within `LOOK_EVERY_S`.

ZeroMQ's descriptor says only that something may have changed, and says it once, so each wake-up reads until nothing waits;
and all is read at each look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import zmq

from gateway.endpoints import feed_reader
from gateway.endpoints.feed import TOPICS
from gateway.endpoints.feed_reader import Published
from gateway.errors import NotRunning
from gateway.report import status_socket
from gateway.report.role_status import GroundStatus, decoded

LOOK_EVERY_S = 0.5
AT_ONCE = 256  # messages of one feed before other things have their turn
OnMessage: TypeAlias = Callable[[str, Published], None]
OnStatus: TypeAlias = Callable[[str, GroundStatus | None], None]


class Grounds:
    """Calls `on_message(ground, message)` and `on_status(ground, status)`; the status is None when the ground has ended.

    A ground has the name of its station, and a number behind it if another one has the same.

    `lost`  datagrams of the feeds that came too fast for this program
    """

    def __init__(self, on_message: OnMessage, on_status: OnStatus, topics: Sequence[str] = TOPICS) -> None:
        self._on_message, self._on_status, self._topics = on_message, on_status, topics
        self._context = zmq.Context[zmq.Socket[bytes]]()
        self._statuses = status_socket.Reader()
        self._watched: dict[zmq.Socket[bytes], int] = {}  # with their descriptors
        self._names: dict[Path, str] = {}  # of grounds that have told a status
        self._feeds: dict[str, tuple[str, feed_reader.Reader]] = {}  # by ground, with its address
        self._lost = 0  # of feeds that are closed

    @property
    def lost(self) -> int:
        return self._lost + sum(reader.lost.total() for _, reader in self._feeds.values())

    async def follow(self) -> None:
        """Until it is cancelled."""
        with self._statuses:
            try:
                while True:
                    self._look()
                    await asyncio.sleep(LOOK_EVERY_S)
            finally:
                for name in [*self._feeds]:
                    self._close_feed(name)
                for socket in [*self._watched]:
                    self._unwatch(socket)
                self._context.destroy(linger=0)

    def _look(self) -> None:
        try:
            paths = status_socket.running()
        except NotRunning:  # the folder is not there yet
            paths = set()
        for path in self._names.keys() - paths:
            self._end(self._names.pop(path))
        for socket in [socket for socket, path in self._statuses.paths.items() if path not in paths]:
            self._unwatch(socket)
        self._statuses.follow(paths)
        for socket in self._statuses.paths.keys() - self._watched.keys():
            self._watch(socket, self._read_statuses)
        self._read_statuses()
        for name in [*self._feeds]:
            self._read_feed(name)

    # --- statuses ---

    def _read_statuses(self) -> None:
        for path, said in self._statuses.waiting().items():
            status = decoded(said)
            if isinstance(status, GroundStatus):
                name = self._names.get(path) or self._named(path, status.name)
                self._follow_feed(name, status)
                self._tell(self._on_status, name, status)

    def _named(self, path: Path, station: str) -> str:
        taken, name, number = {*self._names.values()}, station, 1
        while name in taken:
            number += 1
            name = f"{station} {number}"
        self._names[path] = name
        return name

    def _end(self, name: str) -> None:
        self._close_feed(name)
        self._tell(self._on_status, name, None)

    # --- feeds ---

    def _follow_feed(self, name: str, status: GroundStatus) -> None:
        address = status.feed.address
        if name in self._feeds and self._feeds[name][0] == address:
            return
        self._close_feed(name)
        if address:
            reader = feed_reader.Reader(self._context, address, self._topics)
            self._feeds[name] = address, reader
            self._watch(reader.socket, lambda: self._read_feed(name))
            self._read_feed(name)

    def _close_feed(self, name: str) -> None:
        if (found := self._feeds.pop(name, None)) is not None:
            _, reader = found
            self._lost += reader.lost.total()
            self._unwatch(reader.socket)
            reader.close()

    def _read_feed(self, name: str) -> None:
        _, reader = self._feeds.get(name, ("", None))
        for _ in range(AT_ONCE if reader else 0):
            assert reader is not None
            if (message := reader.read()) is None:
                return
            self._tell(self._on_message, name, message)
        if reader:
            asyncio.get_running_loop().call_soon(self._read_feed, name)  # the descriptor does not speak again

    # --- both ---

    def _tell(self, callback: Callable[..., None], *values: object) -> None:
        """A message of an unexpected form costs itself alone."""
        try:
            callback(*values)
        except Exception as error:  # what comes from the air, or of an order, never ends this program
            told = {"message": "a ground's message could not be shown", "exception": error}
            asyncio.get_running_loop().call_exception_handler(told)

    def _watch(self, socket: zmq.Socket[bytes], read: Callable[[], None]) -> None:
        self._watched[socket] = int(socket.getsockopt(zmq.FD))
        asyncio.get_running_loop().add_reader(self._watched[socket], read)

    def _unwatch(self, socket: zmq.Socket[bytes]) -> None:
        if (descriptor := self._watched.pop(socket, None)) is not None:
            asyncio.get_running_loop().remove_reader(descriptor)
