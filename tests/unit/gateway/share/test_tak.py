"""TAK: one event a second for each aircraft that is heard, to those whom the certificates allow, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from xml.etree import ElementTree as ET

import pytest

from gateway.errors import ConfigError
from gateway.share import tak
from gateway.share.sightings import Sightings
from gateway.share.tak import TakOutput
from gateway.share.tak_settings import Tak
from tests.rtsp_stage import until
from tests.tak_stage import Signer, position, sightings, told

HOST = "127.0.0.1"


def now_us() -> int:
    return time.time_ns() // 1000


@pytest.fixture
def signer(tmp_path) -> Signer:
    return Signer(tmp_path)


@pytest.fixture
def stranger(tmp_path) -> Signer:
    (tmp_path / "stranger").mkdir()
    return Signer(tmp_path / "stranger", "stranger")


@contextlib.asynccontextmanager
async def running(settings: Tak, seen: Sightings) -> AsyncIterator[TakOutput]:
    output = TakOutput(settings, seen, lambda _: "")
    task = asyncio.create_task(output.run())
    try:
        yield output
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def joined(signer: Signer, ours: Signer, seen: Sightings, **more: str) -> AsyncIterator[tuple[Server, TakOutput]]:
    """A server, and an output with a certificate of `ours`."""
    async with Server(signer, signer.certificate) as server, running(server.settings(ours, **more), seen) as output:
        yield server, output


class Server:
    """Accepts those whose certificate its authority has signed. `got` is what they sent."""

    def __init__(self, signer: Signer, trusts: str, name: str = "server") -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*signer.give(name))
        self.context.load_verify_locations(trusts)
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.got = b""
        self.reads = True
        self.writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Server:
        self._server = await asyncio.start_server(self._serve, HOST, 0, ssl=self.context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self.writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        writer.write(b"<event/>" * 1000)  # what a server sends is not used
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                self.got += data

    def settings(self, signer: Signer, **more: str) -> Tak:
        certificate, key = signer.give("client")
        files = {"certificate": certificate, "private_key": key, "authority": signer.certificate}
        return Tak(url=f"tls://{HOST}:{self.port}", **{**files, **more})


@pytest.fixture
def heard() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind((HOST, 0))
        made.setblocking(False)
        yield made


def received(heard: socket.socket) -> list[ET.Element]:
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            found.append(ET.fromstring(heard.recv(65_536)))  # noqa: S314 - our own
    return found


def test_each_position_is_sent_once_and_when_the_telemetry_stops_nothing_is(heard):
    async def test() -> None:
        seen = sightings(position(), time_us=now_us())
        seen.take("pilot", told([position(lat=10)], now_us(), "drone-8"))
        async with running(Tak(url=f"udp://{HOST}:{heard.getsockname()[1]}"), seen) as output:
            await until(lambda: output.report().up)
            output.send_new()
            first = received(heard)
            assert sorted(one.attrib["uid"].rpartition(".")[2] for one in first) == ["drone-7", "drone-8"]
            for _ in range(5):
                output.send_new()
            assert received(heard) == []
            seen.take("pilot", told([position(lat=521000000)], now_us() + 1))
            output._sightings._fleet.aircraft["pilot", "drone-7"].seen._read_at.clear()
            seen.take("pilot", told([position(lat=521000000)], now_us() + 2))
            output.send_new()
            (again,) = received(heard)
            point = again.find("point")
            assert point is not None
            assert point.attrib["lat"] == "52.1000000"
            assert (output.report().sent, output.report().readers) == (3, None)

    asyncio.run(test())


def test_a_position_that_is_old_is_not_sent(heard):
    async def test() -> None:
        seen = sightings(position(), time_us=now_us() - 2_500_000)
        async with running(Tak(url=f"udp://{HOST}:{heard.getsockname()[1]}"), seen) as output:
            await until(lambda: output.report().up)
            output.send_new()
            assert received(heard) == []
            assert output.report().streams == []

    asyncio.run(test())


def test_a_server_gets_the_events_by_tls_and_what_it_sends_is_not_used(signer):
    async def test() -> None:
        async with joined(signer, signer, sightings(time_us=now_us())) as (server, output):
            await until(lambda: output.report().up)
            output._sightings.take("pilot", told([position()], now_us()))
            output.send_new()
            await until(lambda: b"</event>" in server.got)
            assert b'uid="zegel.Harbour Police.drone-7"' in server.got

    asyncio.run(test())


def test_a_server_whose_certificate_is_another_ones_gets_nothing(signer, stranger):
    async def refused(wrong: str, **more: str) -> None:
        async with joined(signer, signer, sightings(position(), time_us=now_us()), **more) as (server, output):
            await until(lambda: output.report().last_error)
            assert wrong in output.report().last_error
            assert not output.report().up
            assert server.got == b""

    asyncio.run(refused("the certificate of the server is not accepted: self-signed", authority=stranger.certificate))
    asyncio.run(refused("Hostname mismatch", server_name="takserver"))


def refuse(listening: socket.socket, context: ssl.SSLContext) -> None:
    """As OpenSSL does it; a server of asyncio sends no alert."""
    accepted, _ = listening.accept()
    with accepted, contextlib.suppress(OSError):
        context.wrap_socket(accepted, server_side=True).close()


def test_a_server_that_refuses_our_certificate_is_said_so(signer, stranger):
    expired = signer.give("expired", days=-1)

    async def refused(wrong: str, certificate: str, private_key: str) -> None:
        server = Server(signer, signer.certificate)
        with socket.create_server((HOST, 0)) as listening:
            server.port = listening.getsockname()[1]
            waits = asyncio.create_task(asyncio.to_thread(refuse, listening, server.context))
            chosen = server.settings(signer, certificate=certificate, private_key=private_key)
            async with running(chosen, sightings(time_us=now_us())) as output:
                await until(lambda: output.report().last_error)
                await waits
                assert wrong in output.report().last_error
                assert not output.report().up

    asyncio.run(refused("the server refuses our certificate: tlsv1 alert unknown ca", *stranger.give("client")))
    asyncio.run(refused("the server refuses our certificate: sslv3 alert certificate expired", *expired))


def test_a_server_that_ends_the_connection_is_asked_again(signer, monkeypatch):
    monkeypatch.setattr(tak, "RETRY_S", 0.01)

    async def test() -> None:
        async with joined(signer, signer, sightings(time_us=now_us())) as (server, output):
            await until(lambda: server.writers)
            server.writers[0].close()
            await until(lambda: len(server.writers) > 1)
            assert "may not accept our certificate" in output.report().last_error

    asyncio.run(test())


def test_a_server_that_does_not_read_costs_a_bounded_amount_of_memory(signer):
    async def test() -> None:
        async with joined(signer, signer, sightings(time_us=now_us())) as (_, output):
            await until(lambda: output.report().up)
            link = output._link
            assert isinstance(link, tak._Tls)
            assert link._transport
            sent = [link.send(bytes(1 << 16)) for _ in range(1000)]  # within one turn of the loop, in which no one reads
            assert not all(sent)
            assert output.report().refused[tak.UNREAD] == sent.count(False)
            assert link._transport.get_write_buffer_size() < 4 * tak.UNREAD_MAX

    asyncio.run(test())


def test_while_there_is_no_link_events_are_counted():
    output = TakOutput(Tak(url=f"udp://{HOST}:9"), sightings(position(), time_us=now_us()), lambda _: "")
    output.send_new()
    assert output.report().refused == {tak.UNSENT: 1}
    assert (output.report().sent, output.report().up) == (0, False)


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({"url": "tcp://10.0.0.5:8087"}, "url is"),
        ({"url": "udp://takserver:6969"}, "takserver"),
        ({"url": "udp://239.2.3.1:0"}, "url is"),
        ({"url": "udp://239.2.3.1:6969"}, "needs interface"),
        ({"url": "udp://239.2.3.1:6969", "interface": "eth0"}, "eth0"),
        ({"url": "udp://239.2.3.1:6969", "interface": "::1"}, "::1"),
        ({"url": "udp://[ff02::1]:6969", "interface": "192.168.10.2"}, "IPv6"),
        ({"url": "udp://10.0.0.5:6969", "interface": "192.168.10.2"}, "interface is for multicast"),
        ({"url": "udp://10.0.0.5:6969", "server_name": "x"}, "uses no certificate"),
        ({"url": "tls://takserver:8089"}, "needs certificate, private_key and authority"),
        ({"url": "udp://10.0.0.5:6969", "video_address": "rtsp://x"}, "video_address"),
    ],
)
def test_a_mistake_is_named_with_what_to_do(values, wrong):
    with pytest.raises(ConfigError, match=wrong) as caught:
        Tak(**values).check()
    assert caught.value.hint


def test_a_certificate_that_cannot_be_used_is_named_at_the_start(signer, tmp_path):
    certificate, key = signer.give("client")
    _, other_key = signer.give("other")
    (tmp_path / "rubbish").write_text("rubbish")
    files = {"certificate": certificate, "private_key": key, "authority": signer.certificate}
    Tak(url="tls://takserver:8089", **files).check()
    for changed, wrong in (
        ({"certificate": str(tmp_path / "rubbish")}, "rubbish"),
        ({"private_key": other_key}, "other.key.*mismatch"),
        ({"private_key": str(tmp_path / "none.key")}, "none.key.*No such file"),
        ({"authority": str(tmp_path / "rubbish")}, "authority .*rubbish"),
        ({"authority": str(tmp_path / "none.crt")}, "none.crt: No such file"),
    ):
        with pytest.raises(ConfigError, match=wrong) as caught:
            Tak(url="tls://takserver:8089", **{**files, **changed}).check()
        assert caught.value.hint
