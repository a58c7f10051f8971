"""The depacketiser: loss, order and contradictions cost what they damage, and nothing else."""

from __future__ import annotations

import random

import pytest

from gateway.demo.clip import CLIP, pictures
from gateway.video import depacketiser, rtp
from gateway.video.damage import Damage
from gateway.video.depacketiser import Depacketiser
from gateway.video.packetiser import Packetiser
from tests.property.seeds import seeds

P = b"\x41\x9a\x02"
FILM = pictures(CLIP.read_bytes())[:30]


def packet(payload: bytes, sequence: int = 0, timestamp: int = 0, *, marker: bool = True, ssrc: int = 1) -> bytes:
    return rtp.make(rtp.Packet(96, marker, sequence, timestamp, ssrc, payload))


def film() -> list[bytes]:
    packetiser = Packetiser("h264", 1, 65_500)
    return [data for place, unit in enumerate(FILM) for data in packetiser.packets(unit, 3600 * place)]


@pytest.mark.parametrize("seed", seeds(5, 200))
def test_loss_costs_the_units_that_lost_a_packet(seed):
    rng = random.Random(seed)
    back, got = Depacketiser("h264"), []
    sent = film()
    missing = [place for place in range(1, len(sent)) if rng.random() < 0.05]
    for place, data in enumerate(sent):
        if place not in missing:
            got += back.feed(data, 0.0)
    original = {3600 * place: unit.nals for place, unit in enumerate(FILM)}
    hurt = {rtp.parse(sent[place]).timestamp for place in missing}
    whole = {timestamp: unit.nals for unit, timestamp in got}
    assert all(nal in original[timestamp] for timestamp, nals in whole.items() for nal in nals)
    assert all(whole[timestamp] == nals for timestamp, nals in original.items() if timestamp not in hurt)
    assert len(got) == len(whole), "one access unit a timestamp"
    last = missing[-1] == len(sent) - 1 if missing else False
    assert back.lost == len(missing) - last or last


def test_a_new_timestamp_ends_a_picture_of_which_the_marker_is_lost():
    back = Depacketiser("h264")
    assert back.feed(packet(P, 0, 0, marker=False), 1.0) == []
    ((unit, timestamp),) = back.feed(packet(P + b"2", 1, 3600, marker=False), 2.0)
    assert (unit.nals, unit.time, timestamp) == ([P], 1.0, 0)
    ((unit, timestamp),) = back.feed(packet(P + b"3", 2, 7200, marker=False), 3.0)
    assert (unit.nals, unit.time, timestamp) == ([P + b"2"], 2.0, 3600)


def test_late_and_repeated_packets_are_left_out():
    back = Depacketiser("h264")
    for sequence in (5, 7, 6, 7, 8):
        back.feed(packet(P, sequence, sequence), 0.0)
    assert (back.lost, back.damage) == (1, {Damage.RTP_LATE: 2})


def test_a_sender_that_starts_again_is_followed():
    back = Depacketiser("h264")
    back.feed(packet(P, 40_000), 0.0)
    assert back.feed(packet(P, 20_000, 1), 0.0) == []
    assert len(back.feed(packet(P, 20_001, 2), 0.0)) == 1
    back.feed(packet(b"\x7c\x85AB", 20_002, 3, marker=False), 0.0)
    assert back.feed(packet(P, 3, 4, ssrc=2), 0.0)[0][0].nals == [P]
    assert back.lost == 0


@pytest.mark.parametrize(
    ("codec", "payload", "damage"),
    [
        ("h264", b"", Damage.RTP_EMPTY),
        ("h264", b"\x41", Damage.RTP_EMPTY),
        ("h265", b"\x02\x01", Damage.RTP_EMPTY),
        ("h264", b"\x1e\x41\x42", Damage.KIND_NOT_CARRIED),  # type 30
        ("h264", b"\x59\x00\x03\x41\x9a\x02", Damage.KIND_NOT_CARRIED),  # STAP-B, of another mode
        ("h265", b"\x64\x01\x42", Damage.KIND_NOT_CARRIED),  # PACI
        ("h264", b"\x58\x00\x03\x41\x9a", Damage.AGGREGATE),
        ("h264", b"\x58\x00", Damage.AGGREGATE),
        ("h264", b"\x58\x00\x00", Damage.UNIT_TOO_SHORT),
        ("h264", b"\x58\x00\x02\x7c\x85", Damage.KIND_NOT_CARRIED),  # a fragment within an aggregate
        ("h265", b"\x60\x01\x00\x02\x02\x01", Damage.UNIT_TOO_SHORT),
        ("h264", b"\x7c\xc5AB", Damage.FRAGMENT),  # first and last
        ("h264", b"\x7c\xa5AB", Damage.FRAGMENT),  # the reserved bit
        ("h264", b"\x7c\x85", Damage.FRAGMENT),
        ("h264", b"\x7c\x9cAB", Damage.FRAGMENT),  # a fragment of fragments
        ("h265", b"\x62\x01\xb1AB", Damage.FRAGMENT),
        ("h264", b"\x7c\x05AB", Damage.FRAGMENT_LOST),
    ],
)
def test_what_contradicts_itself_is_counted_and_the_next_picture_comes(codec, payload, damage):
    back = Depacketiser(codec)
    assert back.feed(packet(payload), 0.0) == []
    assert back.damage == {damage: 1}
    nal = P if codec == "h264" else b"\x02\x01\xd0"
    assert back.feed(packet(nal, 1, 1), 0.0)[0][0].nals == [nal]


def test_another_payload_type_and_broken_headers_are_counted():
    back = Depacketiser("h264")
    back.feed(rtp.make(rtp.Packet(97, True, 0, 0, 1, P)), 0.0)
    back.feed(b"\x80", 0.0)
    assert back.damage == {Damage.RTP_TYPE: 1, Damage.RTP_TOO_SHORT: 1}
    assert Depacketiser("h264", 97).feed(rtp.make(rtp.Packet(97, True, 0, 0, 1, P)), 0.0)


def test_what_is_held_has_bounds(monkeypatch):
    monkeypatch.setattr(depacketiser, "PICTURE_MAX", 1000)
    back = Depacketiser("h264")
    back.feed(packet(b"\x7c\x85AB", 0, marker=False), 0.0)
    for sequence in range(1, 12):
        back.feed(packet(b"\x7c\x05" + bytes(100), sequence, marker=False), 0.0)
    assert back.damage[Damage.UNIT_TOO_LONG] == 1
    for sequence in range(12, 30):
        back.feed(packet(P + bytes(100), sequence, marker=False), 0.0)
    assert back.damage[Damage.PICTURE_TOO_LARGE] > 1
    assert len(back.feed(packet(P, 30, 1), 0.0)) == 2
