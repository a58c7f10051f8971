"""What a stream is, from its first datagrams."""

from __future__ import annotations

import dataclasses
from random import Random

import pytest

from gateway.demo.clip import CLIP, pictures
from gateway.video import rtp
from gateway.video.packetiser import Packetiser
from gateway.video.recognise import Content, Form, recognise
from tests.films import joined
from tests.hostile.media import NALS, NEXT, PACKETS, TS

CLIP_PACKETS = [data for unit in pictures(CLIP.read_bytes())[:30] for data in Packetiser("h264", 1, 1).packets(unit, 0)]
RTCP = b"\x80\xc8\x00\x06" + bytes(24)


def retyped(packets: list[bytes], payload_type: int) -> list[bytes]:
    return [rtp.make(dataclasses.replace(rtp.parse(data), payload_type=payload_type)) for data in packets]


@pytest.mark.parametrize("payload_type", [96, 97, 127, 33])
def test_rtp(payload_type):
    assert recognise(retyped(CLIP_PACKETS, payload_type)) == Form(Content.H264, payload_type)
    assert recognise(retyped([*PACKETS["h265"]] * 3, payload_type)) == Form(Content.H265, payload_type)


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_each_codec_is_told_from_the_other_by_fragments_alone(codec):
    packets = Packetiser(codec, 1, 1, mtu=40).packets(NEXT[codec], 0)
    assert len(packets) > 1
    assert recognise(packets).content.codec == codec


def test_mpeg_ts():
    assert recognise([TS]) == Form(Content.MPEG_TS)
    assert recognise([rtp.make(rtp.Packet(33, False, 1, 1, 1, TS))]) == Form(Content.MPEG_TS, 33)


def test_annex_b():
    for codec in ("h264", "h265"):
        for start_code in (b"\0\0\1", b"\0\0\0\1"):
            assert recognise([joined(NALS[codec], start_code)]) == Form(Content.H264 if codec == "h264" else Content.H265)


def test_reports_on_the_same_port_and_strangers_do_not_decide():
    assert recognise([RTCP, b"", b"rubbish", RTCP, *CLIP_PACKETS[:2]]) == Form(Content.H264, 96)


@pytest.mark.parametrize("datagrams", [[], [b""], [RTCP], [b"rubbish"] * 9, [b"\x80\x60" + bytes(10)], [b"\0\0\1"]])
def test_what_is_none_of_these(datagrams):
    assert recognise(datagrams).content is Content.UNKNOWN


def test_noise_is_no_stream():
    """Some of it looks like RTP, and some of that like pictures."""
    random = Random(1)
    assert recognise([random.randbytes(1000) for _ in range(300)]).content is Content.UNKNOWN


def test_motion_jpeg_is_rtp_of_an_unknown_format():
    assert recognise([rtp.make(rtp.Packet(26, False, 1, 1, 1, bytes(100)))] * 5) == Form(Content.UNKNOWN, 26)
