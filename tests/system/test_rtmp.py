"""RTMP ingest on real sockets: one publisher a path, what happens to those that die, and many that mean harm."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

import pytest

from gateway.demo.clip import CLIP, pictures
from gateway.demo.stage import free_port
from gateway.sources import rtmp, rtmp_session
from gateway.video.nal import AccessUnit
from tests.rtmp_publisher import HELLO, Publisher

HOST = "127.0.0.1"
FILM = pictures(CLIP.read_bytes())[:26]
WITHIN_S = 20


class Ingest:
    """`got` and `said` by stream key."""

    def __init__(self) -> None:
        self.port = free_port()
        self.got: dict[str, list[tuple[AccessUnit, int]]] = {}
        self.said: dict[str, list[str]] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        # One that is forgotten is closed, and what it has sent is lost with its unread answers.
        self.connections: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    def serve(self, key: str = "front") -> None:
        got, said = self.got.setdefault(key, []), self.said.setdefault(key, [])
        run = rtmp.serve(HOST, self.port, "live", key, lambda unit, timestamp: got.append((unit, timestamp)), said.append)
        self.tasks[key] = asyncio.ensure_future(run)

    async def connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while True:
            with contextlib.suppress(ConnectionError):
                self.connections.append(await asyncio.open_connection(HOST, self.port))
                return self.connections[-1]
            await asyncio.sleep(0.01)

    async def publishing(self, publisher: Publisher) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await self.connected()
        writer.write(publisher.hello() + publisher.begin() + b"".join(publisher.pictures(FILM)))
        return reader, writer

    def close(self) -> None:
        for _, writer in self.connections:
            writer.close()

    def nals(self, key: str = "front") -> list[list[bytes]]:
        return [unit.nals for unit, _ in self.got[key]]


async def until(true: Callable[[], object]) -> None:
    while not true():
        await asyncio.sleep(0.01)


def run(scene: Callable[[Ingest], Awaitable[None]]) -> None:
    async def play() -> None:
        ingest = Ingest()
        ingest.serve()
        try:
            async with asyncio.timeout(WITHIN_S):
                await scene(ingest)
        finally:
            for task in ingest.tasks.values():
                task.cancel()
            await asyncio.gather(*ingest.tasks.values(), return_exceptions=True)
            ingest.close()
        assert not rtmp._listeners

    asyncio.run(play())


SENT = [unit.nals for unit in FILM]


@pytest.mark.parametrize("chunk_size", [128, 4096, 65_536])
def test_a_publisher_comes_and_goes(chunk_size):
    async def scene(ingest: Ingest) -> None:
        for _ in range(2):
            publisher = Publisher(chunk_size)
            _, writer = await ingest.publishing(publisher)
            writer.write(publisher.end())
            await until(lambda: ingest.said["front"][-1:] == ["waits for a publisher"] and ingest.nals()[-1:] == SENT[-1:])
            assert ingest.nals() == SENT
            ingest.got["front"].clear()
            writer.close()
        assert ingest.said["front"] == [
            "waits for a publisher",
            *("a publisher at 127.0.0.1 has sent no picture yet", "H.264 from 127.0.0.1", "waits for a publisher") * 2,
        ]

    run(scene)


@pytest.mark.parametrize("cut", [1, 100, 5000, 20_000])
def test_a_publisher_that_dies_in_a_chunk_loses_no_more_than_that_picture(cut):
    async def scene(ingest: Ingest) -> None:
        publisher = Publisher(4096)
        _, writer = await ingest.connected()
        writer.write(publisher.hello() + publisher.begin() + b"".join(publisher.pictures(FILM))[:cut])
        await until(lambda: any("publisher at" in text for text in ingest.said["front"]))
        writer.transport.abort()
        await until(lambda: ingest.said["front"][-1] == "waits for a publisher")
        assert ingest.nals() == SENT[: len(ingest.nals())]
        before = len(ingest.nals())
        await ingest.publishing(Publisher(4096))
        await until(lambda: len(ingest.nals()) == before + len(SENT))
        assert ingest.nals()[before:] == SENT

    run(scene)


def test_the_second_on_one_key_is_refused_and_the_first_goes_on():
    async def scene(ingest: Ingest) -> None:
        first = Publisher(4096)
        _, writer = await ingest.publishing(first)
        await until(lambda: ingest.nals() == SENT)
        reader, _ = await ingest.publishing(Publisher(4096))
        answer = await reader.read()  # until the connection is closed
        assert b"NetStream.Publish.BadName" in answer
        assert ingest.said["front"][-1] == (
            "H.264 from 127.0.0.1; refused 127.0.0.1: another publisher is sending on this path"
        )
        writer.write(b"".join(first.pictures(FILM)))
        await until(lambda: ingest.nals() == SENT + SENT)

    run(scene)


def test_one_that_was_cut_off_makes_room_for_itself(monkeypatch):
    """Its old connection is still there for TCP: no end has come."""
    monkeypatch.setattr(rtmp, "TAKEN_OVER_AFTER_S", 0.2)

    async def scene(ingest: Ingest) -> None:
        old, _ = await ingest.publishing(Publisher(4096))
        await until(lambda: ingest.nals() == SENT)
        await asyncio.sleep(0.3)
        await ingest.publishing(Publisher(4096))
        await until(lambda: ingest.nals() == SENT + SENT)
        assert b"Publish.Start" in await old.read()
        assert ingest.said["front"][-1] == "H.264 from 127.0.0.1"

    run(scene)


def test_timestamps_go_on_with_the_next_publisher():
    async def scene(ingest: Ingest) -> None:
        for place in (1, 2):
            began = asyncio.get_running_loop().time() - 0.001
            _, writer = await ingest.publishing(Publisher(4096))
            await until(lambda place=place: len(ingest.got["front"]) == place * len(SENT))
            ended = asyncio.get_running_loop().time()
            timestamps = [timestamp for _, timestamp in ingest.got["front"][-len(SENT) :]]
            assert (timestamps[0] - began * 90_000) % 2**32 <= (ended - began) * 90_000 + 1
            assert timestamps == [(timestamps[0] + 3600 * picture) % 2**32 for picture in range(len(SENT))]
            writer.close()
            await until(lambda: ingest.said["front"][-1] == "waits for a publisher")
            await asyncio.sleep(0.1)

    run(scene)


def test_a_silent_publisher_is_ended(monkeypatch):
    monkeypatch.setattr(rtmp_session, "SILENT_AFTER_S", 0.3)

    async def scene(ingest: Ingest) -> None:
        reader, _ = await ingest.publishing(Publisher(4096))
        await reader.read()
        await until(lambda: ingest.said["front"][-1] == "waits for a publisher; refused 127.0.0.1: it fell silent")
        assert ingest.nals() == SENT

    run(scene)


def test_one_that_never_begins_is_ended(monkeypatch):
    monkeypatch.setattr(rtmp_session, "BEGIN_WITHIN_S", 0.3)

    async def scene(ingest: Ingest) -> None:
        for begun in (b"", HELLO[:100], HELLO, HELLO + Publisher().command("connect", 1.0, {"app": "live"})):
            reader, writer = await ingest.connected()
            writer.write(begun)
            await reader.read()
        assert ingest.said["front"][-1].endswith("refused 127.0.0.1: it did not begin to publish in time")

    run(scene)


def test_two_paths_share_an_address_and_each_ends_alone():
    async def scene(ingest: Ingest) -> None:
        ingest.serve("rear")
        publishers = {key: Publisher(4096, name=key) for key in ("front", "rear")}
        for publisher in publishers.values():
            await ingest.publishing(publisher)
        await until(lambda: ingest.nals("front") == ingest.nals("rear") == SENT)
        ingest.tasks["front"].cancel()
        (front, _), (_, writer) = ingest.connections[-2:]
        await front.read()
        writer.write(b"".join(publishers["rear"].pictures(FILM)))
        await until(lambda: ingest.nals("rear") == SENT * 2)
        writer.close()
        await until(lambda: ingest.said["rear"][-1] == "waits for a publisher")
        await ingest.publishing(Publisher(4096, name="rear"))
        await until(lambda: ingest.nals("rear") == SENT * 3)
        assert ingest.nals("front") == SENT

    run(scene)


def test_an_address_that_is_taken_is_retried(monkeypatch):
    monkeypatch.setattr(rtmp, "RETRY_S", 0.1)

    async def play() -> None:
        ingest = Ingest()
        with socket.create_server((HOST, ingest.port)):
            ingest.serve()
            await until(lambda: ingest.said["front"])
            assert ingest.said["front"] == [f"cannot listen at {HOST}:{ingest.port}: Address already in use (retrying)"]
        await ingest.publishing(Publisher(4096))
        await until(lambda: ingest.nals() == SENT)
        ingest.tasks["front"].cancel()
        await asyncio.gather(*ingest.tasks.values(), return_exceptions=True)
        ingest.close()

    asyncio.run(asyncio.wait_for(play(), WITHIN_S))


def test_a_crowd_is_turned_away_and_the_publisher_goes_on():
    async def scene(ingest: Ingest) -> None:
        publisher = Publisher(4096)
        _, writer = await ingest.publishing(publisher)
        await until(lambda: ingest.nals() == SENT)
        crowd = [await ingest.connected() for _ in range(2 * rtmp.CONNECTIONS_MAX)]
        assert await crowd[0][0].read() == b"", "the oldest of those that do not publish"
        assert ingest.said["front"][-1].endswith("refused 127.0.0.1: too many connections")
        ingest.serve("rear")
        await ingest.publishing(Publisher(4096, name="rear"))
        await until(lambda: ingest.nals("rear") == SENT)
        writer.write(b"".join(publisher.pictures(FILM)))
        await until(lambda: ingest.nals() == SENT + SENT)

    run(scene)


def test_one_that_reads_nothing_is_ended():
    """Each ping has an answer."""

    async def scene(ingest: Ingest) -> None:
        publisher, loop = Publisher(), asyncio.get_running_loop()
        await ingest.connected()  # it listens
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect((HOST, ingest.port))
            connection.setblocking(False)
            await loop.sock_sendall(connection, publisher.hello() + publisher.begin())
            asked = (
                publisher.send(2, rtmp_session.USER_CONTROL, 0, 0, rtmp_session.PING + bytes(40)) * 1000
            )  # smaller ones are too many
            with contextlib.suppress(ConnectionError):
                while True:
                    await loop.sock_sendall(connection, asked)
        await until(lambda: ingest.said["front"][-1].endswith("refused 127.0.0.1: it does not read what it is sent"))

    run(scene)


def test_bytes_that_nothing_expected_end_only_their_connection(monkeypatch):
    async def scene(ingest: Ingest) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(rtmp_session.Session, "_connect", lambda *_: {}["nothing"])
            reader, writer = await ingest.connected()
            writer.write(HELLO + Publisher().command("connect", 1.0, {"app": "live"}))
            await reader.read()
        assert "refused 127.0.0.1: unexpected gateway.sources.rtmp_session:" in ingest.said["front"][-1]
        await ingest.publishing(Publisher(4096))
        await until(lambda: ingest.nals() == SENT)

    run(scene)


def test_another_codec_is_told():
    async def scene(ingest: Ingest) -> None:
        publisher = Publisher()
        _, writer = await ingest.connected()
        writer.write(publisher.hello() + publisher.begin() + publisher.video(b"\x90av01\x81", 0))
        await until(lambda: ingest.said["front"][-1] == "pictures that are neither H.264 nor H.265, from 127.0.0.1")
        writer.write(b"".join(publisher.pictures(FILM)))
        await until(lambda: ingest.nals() == SENT)
        assert ingest.said["front"][-1] == "H.264 from 127.0.0.1"

    run(scene)


def test_no_key_is_in_what_it_says():
    async def scene(ingest: Ingest) -> None:
        ingest.serve("secret-key")
        await ingest.publishing(Publisher(name="secret-key"))
        await until(lambda: ingest.got["secret-key"])
        reader, _ = await ingest.publishing(Publisher(name="secret-kex"))
        await reader.read()
        assert not [text for said in ingest.said.values() for text in said if "secret" in text]

    run(scene)
