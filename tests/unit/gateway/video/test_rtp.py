"""RTP's header, field by field (RFC 3550 section 5.1)."""

from __future__ import annotations

import pytest

from gateway.video import rtp
from gateway.video.damage import Damage, Damaged

PLAIN = bytes.fromhex("80 60 1234 00010203 deadbeef") + b"payload"


def test_the_fixed_header():
    packet = rtp.Packet(96, False, 0x1234, 0x00010203, 0xDEADBEEF, b"payload")
    assert rtp.parse(PLAIN) == packet
    assert rtp.make(packet) == PLAIN
    assert rtp.parse(PLAIN[:1] + b"\xe0" + PLAIN[2:]).marker


@pytest.mark.parametrize(
    "header",
    [
        "81 60 1234 00010203 deadbeef 00000001",  # a source
        "90 60 1234 00010203 deadbeef bede0000",  # an empty extension
        "92 60 1234 00010203 deadbeef 00000001 00000002 bede0001 01020304",
    ],
)
def test_sources_and_extensions_are_skipped(header):
    assert rtp.parse(bytes.fromhex(header) + b"payload").payload == b"payload"


def test_padding_is_removed():
    assert rtp.parse(b"\xa0" + PLAIN[1:] + b"\0\0\3").payload == b"payload"
    assert rtp.parse(b"\xa0" + PLAIN[1:12] + b"\0\2").payload == b""


@pytest.mark.parametrize(
    ("data", "damage"),
    [
        (b"", Damage.RTP_TOO_SHORT),
        (PLAIN[:11], Damage.RTP_TOO_SHORT),
        (b"\x8f" + PLAIN[1:], Damage.RTP_TOO_SHORT),
        (b"\x90" + PLAIN[1:15], Damage.RTP_TOO_SHORT),
        (b"\x90" + PLAIN[1:12] + b"\0\0\0\1", Damage.RTP_TOO_SHORT),
        (b"\x40" + PLAIN[1:], Damage.RTP_VERSION),
        (b"\xa0" + PLAIN[1:] + b"\0", Damage.RTP_PADDING),
        (b"\xa0" + PLAIN[1:] + b"\x09", Damage.RTP_PADDING),
        (b"\xa0" + PLAIN[1:12], Damage.RTP_PADDING),
    ],
)
def test_what_is_refused(data, damage):
    with pytest.raises(Damaged) as caught:
        rtp.parse(data)
    assert caught.value.damage is damage
