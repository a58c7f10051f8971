"""The server on sockets of this computer: what readers get, how many, and what one of them cannot do to the others."""

from __future__ import annotations

import asyncio
import socket
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.demo.clip import CLIP, pictures
from gateway.demo.stage import HOST
from gateway.share import rtsp_reader, rtsp_server
from gateway.share.rtcp import NTP_BEGINS_US
from gateway.share.rtsp_reader import BEHIND_MAX, IN_KERNEL
from gateway.share.rtsp_server import CONNECTIONS_MAX, READERS_MAX
from gateway.share.rtsp_session import Refusal
from gateway.video import rtp
from gateway.video.packetiser import Packetiser
from tests.rtsp_client import Client, Received
from tests.rtsp_stage import Reader, fed, published, serving, settings, until

FILM = pictures(CLIP.read_bytes())


def film(ssrc: int = 1) -> list[bytes]:
    packetiser = Packetiser("h264", ssrc, 0)
    return [packet for place, unit in enumerate(FILM) for packet in packetiser.packets(unit, place * 3600)]


def run(test) -> None:
    asyncio.run(asyncio.wait_for(test, 60))


def payloads(packets: list[bytes]) -> list[bytes]:
    return [rtp.parse(packet).payload for packet in packets]


def test_a_reader_gets_what_came_since_the_last_key_picture_and_then_all_that_comes():
    async def test() -> None:
        packets = film()
        half = len(packets) // 2
        async with serving() as server:
            fed(server, packets[:half])
            reader = await Reader(server).play()
            fed(server, packets[half:])
            await until(lambda: reader.packets() and payloads(reader.packets())[-1] == rtp.parse(packets[-1]).payload)
            got = payloads(reader.packets())
            assert got == payloads(packets)[-len(got) :]
            assert len(got) > len(packets) - half, "and those before it came"
            first = rtp.parse(reader.packets()[0])
            said = reader.received.answers[-1].headers["rtp-info"]
            assert said.endswith(f";seq={first.sequence};rtptime={first.timestamp}")
            sent = [rtp.parse(packet).sequence for packet in reader.packets()]
            assert sent == [(first.sequence + place) % 65_536 for place in range(len(sent))]
            assert server.report().readers == 1
            assert server.report().streams == ["uav 1/a (H.264)"]

    run(test())


def test_the_report_has_the_time_at_which_the_picture_came_here():
    async def test() -> None:
        async with serving() as server:
            message = published(film())
            server.take("pilot", message)
            reader = await Reader(server).play()
            await until(reader.reports)
            report = reader.reports()[0]
            ntp = int.from_bytes(report[8:16], "big") * 1_000_000 / (1 << 32) - NTP_BEGINS_US
            assert abs(ntp - message.origin.time_us) < 1000
            await until(reader.packets)
            assert rtp.parse(reader.packets()[-1]).timestamp == int.from_bytes(report[16:20], "big")

    run(test())


def test_by_udp_packets_and_reports_come_from_the_ports_that_were_said():
    async def test() -> None:
        async with serving() as server:
            fed(server, film())
            with (
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours,
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reports,
            ):
                for one in (ours, reports):
                    one.bind((HOST, 0))
                    one.setblocking(False)
                ports = ours.getsockname()[1], reports.getsockname()[1]
                reader = await Reader(server).play(f"RTP/AVP;unicast;client_port={ports[0]}-{ports[1]}")
                wanted = len(server.stream(("uav 1", "a")).since_key()) + fed(server, film(ssrc=2)[:30])
                got = []

                def came() -> bool:
                    while True:
                        try:
                            got.append(ours.recvfrom(2048))
                        except BlockingIOError:
                            return len(got) >= wanted

                await until(came)
                assert {address for _, address in got} == {(HOST, server.ports[0])}
                sent = [rtp.parse(packet).sequence for packet, _ in got]
                assert sent == [(sent[0] + place) % 65_536 for place in range(wanted)]
                assert reports.recvfrom(2048)[1] == (HOST, server.ports[1])
                assert f"server_port={server.ports[0]}-{server.ports[1]}" in reader.received.answers[2].headers["transport"]
                connection = next(iter(server._connections))
                connection.session.heard = 0.0
                reports.sendto(bytes(8), (HOST, server.ports[1]))
                await until(lambda: connection.session.heard)

    run(test())


def test_so_many_readers_and_no_more():
    async def test() -> None:
        async with serving() as server:
            fed(server, film())
            readers = [await Reader(server).play() for _ in range(READERS_MAX)]
            late = await Reader(server).connect()
            assert await late.log_in() == 200
            assert await late.set_up() == 453
            assert server.report().refused == {Refusal.FULL: 1}
            assert server.report().readers == READERS_MAX
            assert await readers[0].ask("TEARDOWN") == 200
            assert await late.set_up() == 200

    run(test())


def test_a_reader_that_stops_reading_is_dropped_and_the_others_get_everything():
    async def test() -> None:
        packets = film()
        big = [rtp.make(rtp.Packet(96, False, place % 65_536, 5, 1, b"\x41" + bytes(1300))) for place in range(6000)]
        async with serving() as server:
            fed(server, packets)
            good, stuck = await Reader(server).play(), await Reader(server).play()
            await until(lambda: good.packets() and stuck.packets())
            before = len(good.packets())
            stuck.stop_reading()
            for place in range(0, len(big), 100):
                fed(server, big[place : place + 100])
                await asyncio.sleep(0.002)
            await until(lambda: len(good.packets()) == before + len(big))
            assert server.report().refused == {Refusal.SLOW: 1}
            assert server.report().readers == 1

    assert BEHIND_MAX + 2 * IN_KERNEL < 6000 * 1300
    run(test())


def test_strangers_take_no_room_from_readers():
    async def test() -> None:
        async with serving() as server:
            fed(server, film())
            reader = await Reader(server).play()
            strangers = [await Reader(server).connect() for _ in range(CONNECTIONS_MAX + 10)]
            await until(lambda: server.report().refused.get(Refusal.CONNECTIONS, 0) >= 11)
            late = await Reader(server).connect()
            assert await late.log_in() == 200
            assert not reader.ended
            assert len(server._connections) <= CONNECTIONS_MAX
            for one in strangers:
                one.close()

    run(test())


def test_an_unknown_aircraft_is_not_found_and_one_that_comes_later_is():
    async def test() -> None:
        async with serving() as server:
            reader = await Reader(server).connect()
            assert await reader.log_in() == 404
            fed(server, film())
            assert await reader.ask("DESCRIBE") == 200
            other = await Reader(server, lane="b").connect()
            assert await other.log_in() == 404

    run(test())


def test_an_aircraft_that_is_silent_is_not_there_and_its_readers_stay(monkeypatch):
    async def test() -> None:
        async with serving() as server:
            fed(server, film())
            reader = await Reader(server).play()
            monkeypatch.setattr(rtsp_server, "ABSENT_AFTER_S", 0.0)
            monkeypatch.setattr(rtsp_server, "FORGET_AFTER_S", 0.0)
            await asyncio.sleep(0.02)
            assert await reader.ask("DESCRIBE") == 404
            server._check(asyncio.get_running_loop().time())
            monkeypatch.undo()
            before = len(reader.packets())
            count = fed(server, film(ssrc=5), session="beef")
            await until(lambda: len(reader.packets()) == before + count)
            assert len({rtp.parse(packet).ssrc for packet in reader.packets()}) == 1

    run(test())


def test_two_grounds_that_open_the_same_lane_are_one_stream(monkeypatch):
    async def test() -> None:
        packets = film()
        async with serving() as server:
            fed(server, packets)
            reader = await Reader(server).play()
            await until(reader.packets)
            before = len(reader.packets())
            server.take("observer", published(packets))
            server.take("pilot", published(film(ssrc=2)[:1]))
            await until(lambda: len(reader.packets()) == before + 1)
            monkeypatch.setattr(rtsp_server, "OTHER_GROUND_AFTER_S", 0.0)
            server.take("observer", published(packets))
            await until(lambda: len(reader.packets()) == before + 1 + len(packets))
            sent = [rtp.parse(packet).sequence for packet in reader.packets()]
            assert sent == [(sent[0] + place) % 65_536 for place in range(len(sent))]

    run(test())


def test_readers_of_a_stream_whose_form_changes_have_to_ask_again():
    async def test() -> None:
        async with serving() as server:
            fed(server, film())
            reader = await Reader(server).play()
            fed(server, [bytes.fromhex("47400010") + bytes(184)] * 150)
            await until(lambda: reader.ended)
            assert server.report().refused == {Refusal.CHANGED: 1}

    run(test())


def test_what_breaks_within_a_connection_ends_that_one_alone(monkeypatch):
    async def test() -> None:
        async with serving() as server:
            fed(server, film())
            reader, other = await Reader(server).play(), await Reader(server).connect()

            def broken(*_: object) -> None:
                raise RuntimeError("nobody expected this")

            monkeypatch.setattr(next(reversed(server._connections)).session, "feed", broken)
            other.write(b"x")
            await until(lambda: other.ended)
            assert server.report().refused == {Refusal.MALFORMED: 1}
            count = len(reader.packets()) + fed(server, film())
            await until(lambda: len(reader.packets()) == count)

    run(test())


def test_an_address_that_is_taken_is_said_and_tried_again(monkeypatch):
    async def test() -> None:
        monkeypatch.setattr(rtsp_server, "RETRY_S", 0.02)
        chosen = settings()
        with socket.create_server((HOST, int(chosen.address.rpartition(":")[2]))):
            server = rtsp_server.RtspServer(chosen)
            task = asyncio.create_task(server.run())
            await until(lambda: server.report().last_error)
            assert not server.report().up
        await until(lambda: server.report().up)
        assert not server.report().last_error
        task.cancel()

    run(test())


@pytest.fixture
def certificate(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "station")]), datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    made = made.not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    (tmp_path / "share.crt").write_bytes(made.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "share.key").write_bytes(private)
    return {"certificate": str(tmp_path / "share.crt"), "private_key": str(tmp_path / "share.key")}


def test_with_a_certificate_all_of_it_is_in_tls(certificate):
    async def test() -> None:
        chosen = settings(**certificate)
        async with serving(chosen) as server:
            fed(server, film())
            assert server.report().where.startswith("rtsps://")
            trusted = ssl.create_default_context(cafile=certificate["certificate"])
            trusted.check_hostname = False
            host, port = chosen.place()
            incoming, outgoing = await asyncio.open_connection(host, port, ssl=trusted)
            received, client = Received(), Client(f"{chosen.url()}uav%201/a", algorithm="SHA-256")

            async def ask(method: str, **headers: str) -> int:
                number = len(received.answers)
                outgoing.write(client.request(method, **headers))
                while len(received.answers) == number:
                    received.feed(await incoming.read(65_536))
                return received.answers[-1].code

            assert await ask("DESCRIBE") == 401
            client.learn(received.last)
            assert await ask("SETUP", Transport="RTP/AVP;unicast;client_port=5000-5001") == 461
            assert await ask("SETUP", Transport="RTP/AVP/TCP;interleaved=0-1") == 200
            client.session = received.last.headers["session"].partition(";")[0]
            assert await ask("PLAY") == 200
            while not received.packets.get(0):
                received.feed(await incoming.read(65_536))
            outgoing.close()

    run(test())


def test_a_udp_port_that_is_taken_is_named():
    async def test() -> None:
        chosen = settings()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind((HOST, chosen.udp_port))
            server = rtsp_server.RtspServer(chosen)
            task = asyncio.create_task(server.run())
            await until(lambda: server.report().last_error)
            assert server.report().last_error == f"UDP port {chosen.udp_port}: Address already in use"
            task.cancel()

    run(test())


def test_a_pause_ends_the_packets_and_play_begins_with_a_key_picture():
    async def test() -> None:
        async with serving() as server:
            fed(server, film())
            reader = await Reader(server).play()
            await until(reader.packets)
            assert await reader.ask("PAUSE") == 200
            before = len(reader.packets())
            fed(server, film())
            assert await reader.ask("PLAY") == 200
            await until(lambda: len(reader.packets()) > before)
            await asyncio.sleep(0.02)
            assert len(reader.packets()) == before + len(server.stream(("uav 1", "a")).since_key())

    run(test())


def test_reports_come_again_and_again(monkeypatch):
    async def test() -> None:
        monkeypatch.setattr(rtsp_reader, "REPORT_EVERY_S", 0.0)
        monkeypatch.setattr(rtsp_server, "CHECK_EVERY_S", 0.01)
        async with serving() as server:
            fed(server, film())
            reader = await Reader(server).play()
            await until(lambda: len(reader.reports()) > 3)
            assert int.from_bytes(reader.reports()[-1][20:24], "big") == len(reader.packets())
            assert await reader.ask("TEARDOWN") == 200
            await until(lambda: reader.reports()[-1][-8:-6] == bytes.fromhex("81cb"))

    run(test())
