"""The parameter sets in a description."""

from __future__ import annotations

import base64

import pytest

from gateway.demo.clip import SDP
from gateway.video import sdp
from gateway.video.damage import Damaged
from tests.hostile.media import NALS


def text(codec: str, fmtp: str, payload_type: int = 96) -> str:
    media = f"v=0\r\nm=video 5600 RTP/AVP {payload_type}\r\n"
    return f"{media}a=rtpmap:{payload_type} {codec}/90000\r\na=fmtp:{payload_type} {fmtp}\r\n"


def coded(nal: bytes) -> str:
    return base64.b64encode(nal).decode()


def test_h264():
    sps, pps = NALS["h264"][:2]
    found = sdp.read(
        text("H264", f"packetization-mode=1; sprop-parameter-sets={coded(sps)},{coded(pps)}; profile-level-id=42C01F")
    )
    assert found == sdp.Description("h264", 96, [sps, pps])


@pytest.mark.parametrize("name", ["H265", "HEVC", "h265"])
def test_h265(name):
    vps, sps, pps = NALS["h265"][:3]
    found = sdp.read(text(name, f"sprop-sps={coded(sps)}; sprop-pps={coded(pps)};sprop-vps={coded(vps)}", 98))
    assert found == sdp.Description("h265", 98, [vps, sps, pps])


def test_a_description_without_sets_tells_the_codec():
    assert sdp.read(SDP.read_text()) == sdp.Description("h264", 96, [])


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "m=audio 5600 RTP/AVP 0",
        text("MP4V-ES", "x=1"),
        text("H264", "sprop-parameter-sets=****"),
        text("H264", "sprop-parameter-sets=QQ=="),  # a slice
        text("H265", "sprop-sps=" + "," * 9 + "QQ"),
        text("H264", "sprop-parameter-sets=" + ",".join(["ZwA="] * 33)),
    ],
)
def test_what_is_none(wrong):
    with pytest.raises(Damaged):
        sdp.read(wrong)
