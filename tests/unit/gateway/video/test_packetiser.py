"""The packetiser against the figures of RFC 6184 and RFC 7798, which have no examples in bytes; and back again."""

from __future__ import annotations

import pytest

from gateway.demo.clip import CLIP, pictures
from gateway.video import rtp
from gateway.video.damage import Damage
from gateway.video.depacketiser import Depacketiser
from gateway.video.nal import AccessUnit, Codec, is_key
from gateway.video.packetiser import MTU, Packetiser

SPS, PPS, IDR, P = b"\x67\x42\x1f", b"\x68\xce", b"\x65\x88\x80", b"\x41\x9a\x02"
VPS5, SPS5, PPS5, IDR5 = b"\x40\x01\x0c", b"\x42\x01\x01", b"\x44\x01\xc1", b"\x26\x01\xaf"


def unit(codec: Codec, *nals: bytes) -> AccessUnit:
    return AccessUnit(list(nals), is_key(codec, nals), 0.0, codec)


def payloads(codec: Codec, *nals: bytes, mtu: int = MTU) -> list[bytes]:
    packets = Packetiser(codec, 1, 2, mtu).packets(unit(codec, *nals), 3)
    assert max(map(len, packets)) <= mtu
    return [rtp.parse(packet).payload for packet in packets]


def test_a_unit_that_fits_is_the_payload():
    """RFC 6184 section 5.6, RFC 7798 section 4.4.1."""
    assert payloads("h264", P) == [P]
    assert payloads("h265", IDR5) == [IDR5]
    largest = P + bytes(range(256)) * 5
    assert payloads("h264", largest[: MTU - 12]) == [largest[: MTU - 12]]


def test_small_units_share_a_packet():
    """RFC 6184 figure 7: STAP-A, type 24 with the highest NRI; RFC 7798 figure 6: AP, type 48 with the lowest TID."""
    assert payloads("h264", b"\x06\x05", P) == [bytes.fromhex("58 0002 0605 0003 419a02")]
    assert payloads("h264", b"\x86\x05", P) == [bytes.fromhex("d8 0002 8605 0003 419a02")]
    assert payloads("h265", b"\x4e\x02\x81", IDR5) == [bytes.fromhex("6001 0003 4e0281 0003 2601af")]
    assert payloads("h265", b"\x4f\x0a\x81", b"\x4f\x12\x81") == [bytes.fromhex("610a 0003 4f0a81 0003 4f1281")]


def test_a_large_unit_goes_in_fragments():
    """RFC 6184 figures 14 to 16: FU-A, type 28; RFC 7798 figures 10 and 11: FU, type 49."""
    assert payloads("h264", b"\x65ABCDEFG", mtu=17) == [b"\x7c\x85ABC", b"\x7c\x05DEF", b"\x7c\x45G"]
    assert payloads("h265", b"\x26\x01ABCDEFG", mtu=18) == [b"\x62\x01\x93ABC", b"\x62\x01\x13DEF", b"\x62\x01\x53G"]
    assert payloads("h265", b"\x27\x0aABCDEFG", mtu=18)[0] == b"\x63\x0a\x93ABC"


def test_header_fields_and_one_marker_a_picture():
    packetiser = Packetiser("h264", 0xDEADBEEF, 0xFFFF)
    first = [rtp.parse(p) for p in packetiser.packets(unit("h264", SPS, PPS, IDR + bytes(3000)), 2**32 + 7)]
    second = [rtp.parse(p) for p in packetiser.packets(unit("h264", P), 3)]
    assert [p.marker for p in first] == [False, False, False, True]
    assert [p.sequence for p in (*first, *second)] == [0xFFFF, 0, 1, 2, 3]
    assert {p.timestamp for p in first} == {7}
    assert {(p.payload_type, p.ssrc) for p in (*first, *second)} == {(96, 0xDEADBEEF)}


def test_parameter_sets_precede_each_key_picture():
    packetiser, back = Packetiser("h264", 1, 1), Depacketiser("h264")

    def through(*nals: bytes) -> list[bytes]:
        return [nal for p in packetiser.packets(unit("h264", *nals), 9) for u, _ in back.feed(p, 0.0) for nal in u.nals]

    assert through(IDR) == [IDR], "there are none yet"
    assert through(SPS, PPS, IDR) == [SPS, PPS, IDR]
    assert through(P) == [P]
    assert through(b"\x09\xf0", IDR) == [b"\x09\xf0", SPS, PPS, IDR]
    assert through(PPS + b"2", PPS + b"3", IDR) == [SPS, PPS + b"2", PPS + b"3", IDR], "the newest, all of them"
    assert through(b"\x06\x05", IDR) == [SPS, PPS + b"2", PPS + b"3", b"\x06\x05", IDR]


def test_parameter_sets_of_h265():
    packetiser, back = Packetiser("h265", 1, 1), Depacketiser("h265")
    packetiser.packets(unit("h265", PPS5, SPS5, VPS5, b"\x02\x01\xd0"), 0)
    packets = packetiser.packets(unit("h265", b"\x46\x01\x50", IDR5), 1)
    assert [u.nals for p in packets for u, _ in back.feed(p, 0.0)] == [[b"\x46\x01\x50", VPS5, SPS5, PPS5, IDR5]]


@pytest.mark.parametrize(("codec", "kinds"), [("h264", (0, *range(24, 32))), ("h265", range(48, 64))])
def test_types_that_rtp_keeps_for_itself_are_left_out(codec, kinds):
    """A vendor's unit of such a type would be read as an aggregate or a fragment."""
    for kind in kinds:
        packetiser = Packetiser(codec, 1, 1)
        foreign = bytes((kind, 1, 2)) if codec == "h264" else bytes((kind << 1, 1, 2))
        assert packetiser.packets(unit(codec, foreign), 1) == []
        assert packetiser.packets(AccessUnit([foreign, b""], False, 0.0, codec), 1) == []
        assert packetiser.damage == {Damage.KIND_NOT_CARRIED: 2, Damage.UNIT_TOO_SHORT: 1}


@pytest.mark.parametrize("mtu", [40, 200, 1199, 1200, 65_000])
def test_the_clip_comes_back_picture_by_picture(mtu):
    taken = pictures(CLIP.read_bytes())
    packetiser, back = Packetiser("h264", 1, 65_000, mtu), Depacketiser("h264")
    out = []
    for place, picture in enumerate(taken):
        for packet in packetiser.packets(picture, 3600 * place):
            assert len(packet) <= mtu
            out += back.feed(packet, 0.0)
    assert [(u.nals, u.key, timestamp) for u, timestamp in out] == [(u.nals, u.key, 3600 * n) for n, u in enumerate(taken)]
    assert not packetiser.damage
    assert not back.damage
    assert not back.lost


@pytest.mark.parametrize("codec", ["h264", "h265"])
@pytest.mark.parametrize("size", [*range(1170, 1200), *range(2340, 2380)])
def test_every_size_near_the_limit_comes_back(codec, size):
    nal = (IDR if codec == "h264" else IDR5) + bytes(n % 251 + 1 for n in range(size))
    back = Depacketiser(codec)
    packets = Packetiser(codec, 1, 1).packets(unit(codec, nal[:20], nal, nal[:30]), 1)
    assert [u.nals for p in packets for u, _ in back.feed(p, 0.0)] == [[nal[:20], nal, nal[:30]]]
