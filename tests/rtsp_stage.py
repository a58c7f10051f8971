"""An RTSP server of `zegel share` in this process, with a feed that a test plays, and readers on sockets."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from socket import SOCK_STREAM

from gateway.demo.stage import HOST, free_port
from gateway.endpoints.feed import VIDEO, Origin
from gateway.endpoints.feed_reader import Published
from gateway.share.config import Rtsp
from gateway.share.rtsp_server import RtspServer
from tests.rtsp_client import PASSWORD, TCP, USER, Client, Received

DEVICE = "uav 1"


def published(datagrams: Sequence[bytes], lane: str = "a", device: str = DEVICE, session: str = "00ff") -> Published:
    topic = VIDEO["ab".index(lane)]
    origin = Origin(device=device, systems=[1], session=session, lane=f"video_{lane}", time_us=time.time_ns() // 1000)
    return Published(topic, datagrams, origin)


def settings(**more: object) -> Rtsp:
    return Rtsp(address=f"{HOST}:{free_port(SOCK_STREAM)}", user=USER, password=PASSWORD, udp_port=even_port(), **more)


def even_port() -> int:
    """And the next one, by UDP."""
    while (first := free_port()) % 2 or free_port() != first + 1:
        pass
    return first


@contextlib.asynccontextmanager
async def serving(chosen: Rtsp | None = None) -> AsyncIterator[RtspServer]:
    server = RtspServer(chosen or settings())
    task = asyncio.create_task(server.run())
    try:
        await until(lambda: server.report().up)
        yield server
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(true: object, within_s: float = 10.0) -> None:
    ends = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < ends
        await asyncio.sleep(0.005)


class Reader:
    """A connection. `received` has what came."""

    def __init__(self, server: RtspServer, lane: str = "a", **more: object) -> None:
        self.client = Client(f"{server._settings.url()}uav%201/{lane}", **more)
        self._port = int(server._settings.address.rpartition(":")[2])
        self.received = Received()
        self.ended = False

    async def connect(self) -> Reader:
        self._in, self._out = await asyncio.open_connection(HOST, self._port, limit=1 << 16)
        self._task: asyncio.Task[None] | None = None
        self.read_on()
        return self

    def read_on(self) -> None:
        self._task = asyncio.create_task(self._read())

    def stop_reading(self) -> None:
        assert self._task
        self._task.cancel()

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await self._in.read(1 << 16):
                self.received.feed(data)
        self.ended = True

    async def ask(self, method: str, url: str = "", **headers: str) -> int:
        number = len(self.received.answers)
        self._out.write(self.client.request(method, url, **headers))
        await until(lambda: len(self.received.answers) > number or self.ended)
        return self.received.last.code if len(self.received.answers) > number else 0

    def write(self, data: bytes) -> None:
        self._out.write(data)

    async def log_in(self) -> int:
        assert await self.ask("DESCRIBE") == 401
        self.client.learn(self.received.last)
        return await self.ask("DESCRIBE")

    async def set_up(self, transport: str = TCP) -> int:
        code = await self.ask("SETUP", f"{self.client.url}/trackID=0", Transport=transport)
        if code == 200:
            self.client.session = self.received.last.headers["session"].partition(";")[0]
        return code

    async def play(self, transport: str = TCP) -> Reader:
        await self.connect()
        assert await self.log_in() == 200
        assert await self.set_up(transport) == 200
        assert await self.ask("PLAY") == 200
        return self

    def packets(self) -> list[bytes]:
        return self.received.packets.get(0, [])

    def reports(self) -> list[bytes]:
        return self.received.packets.get(1, [])

    def close(self) -> None:
        self._out.close()


def fed(server: RtspServer, packets: Iterable[bytes], **more: str) -> int:
    """How many, one message for each."""
    count = 0
    for packet in packets:
        server.take("pilot", published([packet], **more))
        count += 1
    return count
