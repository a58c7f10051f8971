"""Picture streams: each picture of a film, whatever its form, with what is missing; and what a new viewer needs."""

from __future__ import annotations

import itertools
import random

import pytest

from gateway.demo.clip import CLIP, pictures
from gateway.video import rtp
from gateway.video.nal import AccessUnit, Codec
from gateway.video.packetiser import Packetiser
from gateway.video.ts import PACKET_SIZE
from gateway.video.ts_mux import TsMux
from gateway.view import pictures as limits
from gateway.view.pictures import Picture, PictureStream
from tests.films import joined
from tests.property.seeds import seeds

FILM = pictures(CLIP.read_bytes())[:60]
H265 = [b"\x40\x01\x0c\x01", bytes.fromhex("42010101600000030090000003000003003ca00a8804071136595952930bc05a0200000300020"
        "00003003210"), b"\x44\x01\xc1\x73", b"\x26\x01\xaf\x12" * 9]  # fmt: skip
FRAME_S = 0.04
Sent = list[tuple[float, bytes]]


def packets(
    film: list[AccessUnit], codec: Codec = "h264", sequence: int = 65_500, ssrc: int = 1
) -> list[tuple[float, bytes]]:
    packetiser = Packetiser(codec, ssrc, sequence)
    return [
        (1000 + FRAME_S * place, data)
        for place, unit in enumerate(film)
        for data in packetiser.packets(unit, int(90_000 * FRAME_S) * place)
    ]


def transported(film: list[AccessUnit]) -> Sent:
    mux, size = TsMux("h264"), 7 * PACKET_SIZE
    out = []
    for place, unit in enumerate(film):
        data = mux.picture(joined(unit.nals, b"\0\0\0\1"), unit.key, 3600 * place, 3600 * place)
        out += [(1000 + FRAME_S * place, data[at : at + size]) for at in range(0, len(data), size)]
    return out


def shown(stream: PictureStream, sent: Sent) -> list[Picture]:
    return [picture for at, data in sent for picture in stream.take(data, at)]


def nals(pictures: list[Picture] | list[AccessUnit]) -> list[list[bytes]]:
    return [picture.nals for picture in pictures]


@pytest.mark.parametrize("form", [packets, transported])
def test_every_picture_of_a_film_in_its_order(form):
    stream = PictureStream()
    found = shown(stream, form(FILM))
    assert nals(found) == nals(FILM)[: len(found)]
    assert len(found) >= len(FILM) - 1, "MPEG-TS does not say that a picture is complete before the next begins"
    assert [picture.key for picture in found] == [unit.key for unit in FILM[: len(found)]]
    assert (stream.codec, stream.codec_string, stream.sequence and stream.sequence[1:]) == (
        "h264",
        "avc1.4d4032",
        (1280, 720),
    )
    assert (stream.pictures, stream.damaged, stream.lost) == (len(found), 0, 0)
    steps = {(b.timestamp - a.timestamp) % (1 << 32) for a, b in itertools.pairwise(found)}
    assert steps == {3600}


def test_a_picture_has_the_time_of_its_last_datagram():
    stream = PictureStream()
    found = shown(stream, [(at + 0.001 * place, data) for place, (at, data) in enumerate(packets(FILM))])
    last: dict[int, float] = {}
    for place, (at, data) in enumerate(packets(FILM)):
        last[rtp.parse(data).timestamp] = at + 0.001 * place
    late = limits.FORM_KNOWN_AFTER
    assert [round(one.arrived, 6) for one in found[late:]] == [round(at, 6) for at in [*last.values()][late:]]


@pytest.mark.parametrize("seed", seeds(4, 100))
def test_a_damaged_picture_goes_on_and_is_marked(seed):
    rng, stream = random.Random(seed), PictureStream()
    sent = packets(FILM)
    begin = limits.FORM_KNOWN_AFTER
    missing = {place for place in range(begin, len(sent) - 1) if rng.random() < 0.05}
    found = shown(stream, [one for place, one in enumerate(sent) if place not in missing])
    whole = {place: unit.nals for place, unit in enumerate(FILM)}
    first = found[0].timestamp
    for picture in found:
        original = whole[(picture.timestamp - first) % (1 << 32) // 3600]
        assert picture.damaged or picture.nals == original
    assert sum(picture.lost for picture in found) >= len(missing)
    assert stream.lost == sum(picture.lost for picture in found)
    assert stream.damaged == sum(picture.damaged for picture in found) <= len(missing)


def test_a_new_viewer_gets_the_pictures_since_the_last_key_picture_with_its_parameter_sets():
    bare = [AccessUnit(unit.nals[-1:], unit.key, 0.0, "h264") if place else unit for place, unit in enumerate(FILM)]
    stream = PictureStream()
    shown(stream, packets(bare))
    kept = stream.since_key
    keys = [place for place, unit in enumerate(FILM) if unit.key]
    assert len(keys) > 1
    assert [picture.key for picture in kept] == [True] + [False] * (len(FILM) - keys[-1] - 1)
    assert kept[0].nals[:2] == stream.parameter_sets
    assert kept[0].annexb.startswith(b"\0\0\0\1" + stream.parameter_sets[0] + b"\0\0\0\1")


def test_too_many_pictures_since_a_key_picture_are_not_kept(monkeypatch):
    monkeypatch.setattr(limits, "KEPT_PICTURES_MAX", 10)
    stream = PictureStream()
    for at, data in packets(FILM):
        stream.take(data, at)
        assert len(stream.since_key) <= 10
    monkeypatch.setattr(limits, "KEPT_SIZE_MAX", 100)
    stream = PictureStream()
    shown(stream, packets(FILM))
    assert stream.since_key == []
    assert stream.pictures == len(FILM)


def refreshed(beginning: list[bytes]) -> list[AccessUnit]:
    """A camera that sends no key picture."""
    sets = FILM[0].nals[1:3]
    deltas = [AccessUnit(unit.nals[-1:], False, 0.0, "h264") for unit in FILM if not unit.key]
    return [
        AccessUnit([*sets, *beginning, *one.nals], False, 0.0, "h264") if n == 7 else one for n, one in enumerate(deltas)
    ]


@pytest.mark.parametrize("beginning", [[], [b"\x06\x06\x01\x80\x80"]])
def test_without_a_key_picture_a_decoder_begins_where_the_camera_says_or_repeats_its_parameter_sets(beginning):
    stream = PictureStream()
    found = shown(stream, packets(refreshed(beginning)))
    assert [place for place, picture in enumerate(found) if picture.key] == [7]
    assert stream.since_key[0] is found[7]


def test_no_picture_is_a_key_picture_before_the_parameter_sets_came():
    bare = [AccessUnit(unit.nals[-1:], unit.key, 0.0, "h264") for unit in FILM]
    assert not any(picture.key for picture in shown(PictureStream(), packets(bare)))


def test_pictures_of_a_new_session_come_from_its_first_datagram_on():
    stream = PictureStream()
    shown(stream, packets(FILM))
    stream.begin_anew()
    assert (stream.since_key, stream.codec_string, stream.parameter_sets) == ([], "", [])
    again = [(at + 100, data) for at, data in packets(FILM, ssrc=9, sequence=7)]
    found = shown(stream, again[:30])
    assert found[0].nals == FILM[0].nals
    assert found[0].key


def test_a_camera_that_starts_again_goes_on_in_the_same_stream():
    stream = PictureStream()
    before = shown(stream, packets(FILM))
    found = shown(stream, [(at + 10, data) for at, data in packets(FILM, ssrc=2, sequence=100)])
    assert nals(found) == nals(FILM)
    assert stream.lost == 0
    assert (found[0].timestamp - before[-1].timestamp) % (1 << 32) > 90_000 * 7


def test_another_form_is_recognised_when_nothing_fits_any_more():
    stream, unit = PictureStream(), AccessUnit(H265, True, 0.0, "h265")
    shown(stream, packets(FILM))
    other = [rtp.make(rtp.parse(data)) for _, data in packets([unit] * 400, "h265")]
    changed = [data[:1] + bytes([data[1] & 0x80 | 98]) + data[2:] for data in other]
    found = shown(stream, [(2000 + 0.01 * place, data) for place, data in enumerate(changed)])
    assert (stream.codec, stream.codec_string) == ("h265", "hvc1.1.6.L60.90")
    assert found
    assert found[-1].key


def test_what_is_no_video_is_said_and_not_kept():
    stream, rng = PictureStream(), random.Random(1)
    for place in range(1000):
        stream.take(b"\0" + rng.randbytes(200), float(place))
        assert len(stream._gathered) <= limits.GATHERED_MAX
    assert stream.unrecognised
    assert stream.codec is None


def test_a_picture_that_never_ends_is_not_kept():
    """100 MB of one picture: the parsers leave it out, and the stream goes on."""
    stream = PictureStream()
    shown(stream, packets(FILM[:30]))
    sequence = rtp.parse(packets(FILM[:30])[-1][1]).sequence
    head = b"\x7c\x85" + bytes(60_000)
    for place in range(1700):
        sequence = (sequence + 1) % rtp.SEQUENCES
        payload = head if not place else b"\x7c\x05" + bytes(60_000)
        stream.take(rtp.make(rtp.Packet(96, False, sequence, 5, 1, payload)), 2000.0)
        assert sum(map(len, stream._reader._rtp._units)) <= 8 << 20  # type: ignore[union-attr]
    found = shown(stream, [(2001 + at, data) for at, data in packets(FILM[:30], ssrc=3)])
    assert nals(found) == nals(FILM[:30])


def test_a_set_that_lies_about_its_size_gives_none():
    stream = PictureStream()
    lying = AccessUnit([bytes.fromhex("6742c0280000000000000000"), *FILM[0].nals[2:]], True, 0.0, "h264")
    found = shown(stream, packets([lying] * 30))
    assert len(found) == 30
    assert (stream.codec_string, stream.sequence, stream.unread_sps) == ("", None, 1)


def test_a_picture_that_lost_all_its_slices_is_left_out_and_the_next_one_tells_the_loss():
    """A decoder fails at parameter sets without a picture."""
    stream, sent = PictureStream(), packets(FILM)
    (begin,) = [place for place, (at, data) in enumerate(sent) if data[12] & 31 == 24 and at == 1000 + FRAME_S * 25]
    end = next(place for place in range(begin, len(sent)) if sent[place][1][1] & 0x80)
    missing = [place for place in range(begin, end + 1) if sent[place][1][12] & 31 == 28]
    found = shown(stream, [one for place, one in enumerate(sent) if place not in missing])
    assert len(missing) > 5
    assert nals(found) == nals([unit for place, unit in enumerate(FILM) if place != 25])
    assert [(place, picture.lost) for place, picture in enumerate(found) if picture.damaged] == [(25, len(missing))]
    assert (stream.lost, stream.damaged) == (len(missing), 1)
