"""The server of pages: how much a stranger may make it do."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from gateway.console import door, server
from gateway.console.pages import File
from gateway.console.server import CONNECTIONS_MAX, TOO_MANY, PageServer
from gateway.demo.stage import HOST, free_port

TOKEN = door.new_token()
WITHIN_S = 10.0


@contextlib.asynccontextmanager
async def serving(**more):
    async def live(connection) -> None:
        await connection.wait_closed()

    port = free_port(socket.SOCK_STREAM)
    made = PageServer(TOKEN, port, {"/": File("text/html", b"page")}, live, door.new_token, **more)
    listening = await made.serve()
    yield made, port
    listening.close()
    await listening.wait_closed()


def head(port: int, target: str = "/", *more: str) -> bytes:
    lines = (f"GET {target} HTTP/1.1", f"Host: {HOST}:{port}", f"Cookie: zegel={TOKEN}", *more, "", "")
    return "\r\n".join(lines).encode()


async def asked(port: int, data: bytes) -> bytes:
    """What comes back until the end; empty if the connection was closed without a word."""
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(data)
    try:
        return await asyncio.wait_for(reader.read(), WITHIN_S)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def upgrade(port: int) -> bytes:
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    names = ("Connection: Upgrade", "Upgrade: websocket", key, "Sec-WebSocket-Version: 13")
    return head(port, "/live", f"Origin: http://{HOST}:{port}", *names)


def test_connections_that_say_nothing_are_closed_and_make_room(monkeypatch, figure):
    monkeypatch.setattr(server, "HEAD_WITHIN_S", 0.5)

    async def run() -> None:
        async with serving() as (made, port):
            silent = [await asyncio.open_connection(HOST, port) for _ in range(2 * CONNECTIONS_MAX)]
            silent[0][1].write(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03")  # TLS
            silent[1][1].write(b"GET / HTTP/1.1\r\nX: ")
            assert (await asked(port, head(port))).endswith(b"\r\n\r\npage"), "the oldest make room"
            ends = [asyncio.wait_for(reader.read(), WITHIN_S) for reader, _ in silent]
            assert {b""} >= {end for end in await asyncio.gather(*ends, return_exceptions=True) if isinstance(end, bytes)}
            assert made.refused[TOO_MANY] == CONNECTIONS_MAX + 1
            assert (await asked(port, head(port))).endswith(b"\r\n\r\npage")
            for _, writer in silent:
                writer.close()
        figure(
            f"console's door | {2 * CONNECTIONS_MAX} connections that say nothing, half a head, or TLS | the oldest "
            f"above {CONNECTIONS_MAX} closed at once, the others when their time is over; a page is served meanwhile"
        )

    asyncio.run(run())


def test_viewers_are_bounded():
    async def run() -> None:
        async with serving(viewers_max=2) as (made, port):
            opened = []
            for number in range(3):
                reader, writer = await asyncio.open_connection(HOST, port)
                writer.write(upgrade(port))
                status = (await asyncio.wait_for(reader.readline(), WITHIN_S)).split()[1]
                assert status == (b"101" if number < 2 else b"503")
                opened.append(writer)
            assert (made.viewers, made.refused[TOO_MANY]) == (2, 1)
            for writer in opened:
                writer.transport.abort()
            while made.viewers:
                await asyncio.sleep(0.01)

    asyncio.run(run())


def test_what_is_refused_is_counted_by_its_reason():
    async def run() -> None:
        async with serving() as (made, port):
            for data, why in (
                (head(port).replace(b"Cookie", b"X"), door.Refusal.NO_TOKEN),
                (head(port).replace(TOKEN.encode(), b"wrong"), door.Refusal.WRONG_TOKEN),
                (head(port).replace(HOST.encode(), b"evil.example"), door.Refusal.HOST),
                (head(port, "/", "Origin: http://evil.example"), door.Refusal.ORIGIN),
                (head(port).replace(b"GET", b"PUT"), door.Refusal.METHOD),
                (head(port, "/", "X: " + "y" * server.HEAD_SIZE_MAX), server.MALFORMED),
            ):
                assert TOKEN.encode() not in await asked(port, data)
                assert made.refused[why] == 1, why
            assert sum(made.refused.values()) == 6

    asyncio.run(run())


def test_no_answer_is_given_to_wrong_tokens_beyond_some_at_a_time(monkeypatch):
    monkeypatch.setattr(server, "WRONG_WAITS_S", 0.5)

    async def run() -> None:
        async with serving() as (made, port):
            wrong = head(port).replace(TOKEN.encode(), b"wrong")
            tries = [asyncio.create_task(asked(port, wrong)) for _ in range(20)]
            while made.refused[door.Refusal.WRONG_TOKEN] < 20:
                await asyncio.sleep(0.01)
            assert (await asked(port, head(port))).endswith(b"page")
            answers = await asyncio.gather(*tries)
            assert [answer == b"" for answer in answers].count(False) == server.WRONG_MAX

    asyncio.run(run())


@pytest.mark.parametrize("have_6", [True, False])
def test_it_listens_on_both_addresses_of_loopback_where_there_are_two(have_6, monkeypatch):
    def bound(self, place) -> None:
        if not have_6:
            raise OSError(99, "Cannot assign requested address")

    class Probe:
        def __enter__(self):
            return self

        def __exit__(self, *exc) -> None: ...

        bind = bound

    monkeypatch.setattr(server.socket, "socket", lambda _: Probe())
    assert server._addresses() == (["127.0.0.1", "::1"] if have_6 else ["127.0.0.1"])
