from __future__ import annotations

import socket
import threading

import pytest

from gateway.board import camera
from gateway.board.subject import Subject
from gateway.config import AirConfig
from gateway.demo.stage import HOST, free_port
from keys.commands.account import caller

RTP = bytes([0x80, 96]) + bytes(10)
RTCP = bytes([0x80, 200]) + bytes(26)
LISTEN_S = 1.0  # long enough for the thread that sends to have its turn on a loaded machine
TS = (b"\x47" + bytes(187)) * 7


def asked(tmp_path, datagram: bytes, monkeypatch, mtu: int = 1472):
    monkeypatch.setattr(camera, "LISTEN_S", LISTEN_S)
    port = free_port()
    settings = AirConfig(device="d", link=("udpout:127.0.0.1:9",), video=(f"udpin:{HOST}:{port}",), mtu=mtu)
    over = threading.Event()

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
            while not over.wait(0.02):
                made.sendto(datagram, (HOST, port))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        (finding,) = camera.look(Subject(role="air", path=tmp_path / "air.toml", settings=settings, user=caller()))
    finally:
        over.set()
        thread.join()
    return finding


@pytest.mark.parametrize(
    ("datagram", "state", "words"),
    [
        (RTP + bytes(1188), "ok", "RTP (payload type 96) comes to"),
        (RTP + bytes(1437), "ok", "datagrams of up to 1449 bytes; 1449 fit"),
        (RTP + bytes(1438), "do this", "the link of 1472 carries 1449"),
        (TS, "ok", "MPEG-TS comes to"),
        (RTCP, "do this", "only reports (RTCP)"),
        (b"\0\0\0\1\x67" + bytes(40), "do this", "without RTP"),
        (b"\xfd\x09" + bytes(20), "do this", "MAVLink comes to"),
        (b"hello", "do this", "68 65 6c 6c"),
    ],
)
def test_what_comes_is_told_by_its_kind_and_its_size(tmp_path, monkeypatch, datagram, state, words):
    finding = asked(tmp_path, datagram, monkeypatch)
    assert finding.state == state
    assert words in finding.text
    assert bool(finding.cure) == (state == "do this")


def test_transport_streams_that_are_too_large_get_a_size_of_whole_packets(tmp_path, monkeypatch):
    assert "pkt_size=1128" in asked(tmp_path, TS, monkeypatch, mtu=1280).cure


def test_the_reports_of_one_encoder_are_no_second_camera(tmp_path, monkeypatch):
    monkeypatch.setattr(camera, "LISTEN_S", LISTEN_S)
    even = next(port for port in iter(free_port, None) if port % 2 == 0)
    settings = AirConfig(
        device="d", link=("udpout:127.0.0.1:9",), video=tuple(f"udpin:{HOST}:{port}" for port in (even, even + 1))
    )
    subject = Subject(role="air", path=tmp_path / "air.toml", settings=settings, user=caller())

    over = threading.Event()

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
            while not over.wait(0.02):
                made.sendto(RTP, (HOST, even))
                made.sendto(RTCP, (HOST, even + 1))

    thread = threading.Thread(target=send)
    thread.start()
    findings = list(camera.look(subject))
    over.set()
    thread.join()
    assert [finding.state for finding in findings] == ["ok", "do this"]
    assert "even port of its own" in findings[1].cure
