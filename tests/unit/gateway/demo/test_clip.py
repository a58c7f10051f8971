"""The demo's camera: its clip, in pictures, at the clip's pace. The packets themselves: tests/unit/gateway/video."""

from __future__ import annotations

import socket
from itertools import groupby, pairwise

import pytest

from gateway.demo.clip import CLIP, FPS, Camera, pictures
from gateway.video import rtp
from gateway.video.depacketiser import Depacketiser
from gateway.video.packetiser import MTU

SLICE, IDR, SEI, SPS, PPS, DELIMITER = 1, 5, 6, 7, 8, 9


@pytest.fixture(scope="module")
def taken():
    return pictures(CLIP.read_bytes())


@pytest.fixture
def sink():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(5)
        yield made


def filmed(sink: socket.socket, seconds: float, clip: bytes | None = None) -> list[bytes]:
    camera = Camera(sink.getsockname(), clip)
    got = []
    for step in range(round(seconds * FPS)):
        camera.play(step / FPS + 0.001)
        while len(got) < len(camera.sent):
            got.append(sink.recv(65536))
    camera.close()
    assert got == camera.packets_sent()
    return got


def test_a_round_and_a_half_carry_the_clip_picture_by_picture(sink, taken):
    back = Depacketiser("h264")
    carried = [unit.nals for packet in filmed(sink, 15) for unit, _ in back.feed(packet, 0.0)]
    expected = [unit.nals for unit in taken]
    assert carried == expected + expected[:125]
    assert not back.lost


def test_one_timestamp_and_one_marker_a_picture(sink):
    packets = filmed(sink, 12)
    assert max(map(len, packets)) == MTU
    shown = [list(group) for _, group in groupby(map(rtp.parse, packets), key=lambda p: p.timestamp)]
    assert len(shown) == 300
    assert all([p.marker for p in picture] == [False] * (len(picture) - 1) + [True] for picture in shown)
    assert all((b[0].timestamp - a[0].timestamp) % 2**32 == 3600 for a, b in pairwise(shown))


def test_numbers_wrap(sink, monkeypatch):
    monkeypatch.setattr("secrets.randbits", lambda bits: (1 << bits) - 1)
    packets = [rtp.parse(packet) for packet in filmed(sink, 0.2)]
    assert [p.sequence for p in packets[:2]] == [65535, 0]
    assert [timestamp for timestamp, _ in groupby(p.timestamp for p in packets)][:2] == [2**32 - 1, 3599]


def test_parameter_sets_precede_each_key_picture(taken):
    assert len(taken) == 250
    for place, picture in enumerate(taken):
        kinds = [unit[0] & 31 for unit in picture.nals if unit[0] & 31 != SEI]
        assert kinds == ([DELIMITER, SPS, PPS, IDR] if place % 25 == 0 else [DELIMITER, SLICE])
