"""The camera's packets against RFC 6184 and RFC 3550, read by a depacketiser that is the test's own."""

from __future__ import annotations

import socket
import struct
from itertools import groupby, pairwise

import pytest

from gateway.demo.clip import CLIP, FPS, PACKET_MAX, PAYLOAD_MAX, Camera, nal_units, payloads, pictures

SLICE, IDR, SEI, SPS, PPS, DELIMITER, FU_A = 1, 5, 6, 7, 8, 9, 28


class Packet:
    def __init__(self, data: bytes) -> None:
        self.flags, second, self.sequence, self.timestamp, self.ssrc = struct.unpack_from(">BBHII", data)
        self.marker, self.payload_type = bool(second & 0x80), second & 0x7F
        self.payload = data[12:]


def depacketise(packets: list[Packet]) -> list[bytes]:
    """RFC 6184 section 5.8: a fragmented unit's first byte is F and NRI of the indicator, type of the FU header."""
    out, parts = [], []
    for packet in packets:
        first, rest = packet.payload[0], packet.payload[1:]
        if first & 31 != FU_A:
            assert not parts
            out.append(packet.payload)
            continue
        start, end, reserved = rest[0] & 0x80, rest[0] & 0x40, rest[0] & 0x20
        assert bool(start) == (not parts)
        assert not reserved
        assert not (start and end)
        if start:
            parts = [bytes([first & 0xE0 | rest[0] & 31])]
        parts.append(rest[1:])
        if end:
            out.append(b"".join(parts))
            parts = []
    assert not parts
    return out


@pytest.fixture(scope="module")
def units():
    return nal_units(CLIP.read_bytes())


@pytest.fixture
def sink():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(5)
        yield made


def filmed(sink: socket.socket, seconds: float, clip: bytes | None = None) -> tuple[Camera, list[Packet]]:
    camera = Camera(sink.getsockname(), clip)
    got = []
    for step in range(round(seconds * FPS)):
        camera.play(step / FPS + 0.001)
        while len(got) < len(camera.sent):
            got.append(sink.recv(65536))
    camera.close()
    assert got == camera.packets_sent()
    return camera, [Packet(data) for data in got]


def test_a_round_and_a_half_carry_the_clip_unit_by_unit(sink, units):
    _, packets = filmed(sink, 15)
    carried = depacketise(packets)
    assert carried[: len(units)] == units
    assert carried[len(units) :] == units[: len(carried) - len(units)]
    assert len(pictures(carried)) == 375


def test_rtp_header_fields(sink):
    camera, packets = filmed(sink, 12)
    assert max(len(data) for data in camera.packets_sent()) == PACKET_MAX
    assert {p.flags for p in packets} == {0x80}  # version 2, no padding, no extension, no sources
    assert {p.payload_type for p in packets} == {96}
    assert len({p.ssrc for p in packets}) == 1
    assert all((b.sequence - a.sequence) % 65536 == 1 for a, b in pairwise(packets))


def test_one_timestamp_and_one_marker_a_picture(sink):
    _, packets = filmed(sink, 12)
    taken = [list(group) for _, group in groupby(packets, key=lambda p: p.timestamp)]
    assert len(taken) == 300
    assert all([p.marker for p in picture] == [False] * (len(picture) - 1) + [True] for picture in taken)
    assert all((b[0].timestamp - a[0].timestamp) % 2**32 == 3600 for a, b in pairwise(taken))


def test_numbers_wrap(sink, monkeypatch):
    monkeypatch.setattr("secrets.randbits", lambda bits: (1 << bits) - 1)
    _, packets = filmed(sink, 0.2)
    assert [p.sequence for p in packets[:2]] == [65535, 0]
    assert [timestamp for timestamp, _ in groupby(p.timestamp for p in packets)][:2] == [2**32 - 1, 3599]


def test_parameter_sets_precede_each_key_picture(units):
    taken = pictures(units)
    kinds = [[unit[0] & 31 for unit in picture if unit[0] & 31 != SEI] for picture in taken]
    assert len(taken) == 250
    for place, picture in enumerate(kinds):
        assert picture == ([DELIMITER, SPS, PPS, IDR] if place % 25 == 0 else [DELIMITER, SLICE])


def test_parameter_sets_are_packets_of_their_own(sink, units):
    _, packets = filmed(sink, 2)
    alone = {p.payload for p in packets if p.payload[0] & 31 in (SEI, SPS, PPS, DELIMITER)}
    assert alone == {unit for unit in units if unit[0] & 31 in (SEI, SPS, PPS, DELIMITER)}


@pytest.mark.parametrize("over", [-1, 0, 1, PAYLOAD_MAX - 3, PAYLOAD_MAX - 2, 10 * PAYLOAD_MAX])
def test_only_what_is_too_large_is_fragmented(over):
    unit = b"\x65" + bytes(n % 251 for n in range(PAYLOAD_MAX - 1 + over))
    parts = list(payloads(unit))
    assert (len(parts) == 1) == (over <= 0)
    assert max(map(len, parts)) <= PAYLOAD_MAX
    assert depacketise([Packet(bytes(12) + part) for part in parts]) == [unit]


def test_start_codes_of_three_and_four_bytes():
    assert nal_units(b"\0\0\0\1\x09\x10\0\0\1\x67\0\0\3\1\0\0\0\1\x68\x42") == [b"\x09\x10", b"\x67\0\0\3\1", b"\x68\x42"]
