"""The splitter: whatever the cuts of the stream, the same units and pictures; silence ends a picture."""

from __future__ import annotations

import random

import pytest

from gateway.demo.clip import CLIP
from gateway.video import annexb, nal
from gateway.video.annexb import QUIET_MAX_S, QUIET_S, Splitter
from gateway.video.damage import Damage
from tests import films

# Headers, then first_mb_in_slice: 1 is 0, 010 is 1, 011 is 2 (H.264 section 9.1).
SPS, PPS, SEI, DELIMITER = b"\x67\x42\x00\x1f", b"\x68\xce\x38", b"\x06\x05\x01\x80", b"\x09\xf0"
IDR, P, P_SECOND, P_THIRD = b"\x65\x88\x80\x10", b"\x41\x9a\x02\x04", b"\x41\x5a\x02\x04", b"\x41\x6a\x02\x04"
LONG = b"\x65\x88" + bytes(range(1, 256)) * 40

VPS5, SPS5, PPS5 = b"\x40\x01\x0c", b"\x42\x01\x01", b"\x44\x01\xc1"
IDR5, TRAIL5, TRAIL5_SECOND = b"\x26\x01\xaf\x12", b"\x02\x01\xd0\x33", b"\x02\x01\x50\x33"


def joined(nals: list[bytes]) -> bytes:
    return films.joined(nals, b"\0\0\0\1")


def pictures(stream: bytes, codec: nal.Codec = "h264", *, cuts: tuple[int, ...] = ()) -> list[list[bytes]]:
    splitter, out = Splitter(codec), []
    for begin, end in zip((0, *cuts), (*cuts, len(stream)), strict=True):
        out += splitter.feed(stream[begin:end], 0.0)
    out += splitter.flush()
    assert not splitter.damage
    return [unit.nals for unit in out]


def test_units_are_what_was_between_start_codes():
    expected = CLIP.read_bytes().replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")[1:]
    taken = pictures(CLIP.read_bytes())
    assert [unit for picture in taken for unit in picture] == expected
    assert len(taken) == 250


@pytest.mark.parametrize(
    ("codec", "expected"),
    [
        ("h264", [[DELIMITER, SPS, PPS, SEI, IDR], [P, P_SECOND, P_THIRD], [DELIMITER, P], [SEI, P], [LONG]]),
        ("h265", [[VPS5, SPS5, PPS5, IDR5], [TRAIL5, TRAIL5_SECOND], [TRAIL5], [VPS5, IDR5], [TRAIL5_SECOND]]),
    ],
)
def test_a_cut_at_any_byte_changes_nothing(codec, expected):
    if codec == "h265":
        expected = [*expected[:3], [*expected[3], *expected[4]]]  # only the first slice of a picture is marked
    stream = joined([unit for picture in expected for unit in picture])
    for cut in range(len(stream)):
        assert pictures(stream, codec, cuts=(cut,)) == expected
    assert pictures(stream, codec, cuts=tuple(range(1, len(stream)))) == expected


@pytest.mark.parametrize("zeros", range(2, 7))
def test_zeros_before_a_start_code_are_not_of_a_unit(zeros):
    stream = b"".join(bytes(zeros) + b"\1" + unit for unit in (IDR, P, P)) + bytes(zeros)
    for cut in range(len(stream)):
        assert pictures(stream, cuts=(cut,)) == [[IDR], [P], [P]]


def test_a_key_picture_is_one_that_a_decoder_can_begin_with():
    splitter = Splitter("h264")
    taken = splitter.feed(joined([SPS, PPS, IDR, P, P]), 0.0)
    assert [unit.key for unit in taken] == [True]
    assert [unit.key for unit in splitter.flush()] == [False, False]
    splitter = Splitter("h265")
    assert [unit.key for unit in splitter.feed(joined([IDR5, TRAIL5, TRAIL5]), 0.0) + splitter.flush()] == [
        True,
        False,
        False,
    ]


def test_a_picture_is_complete_at_the_beginning_of_the_next():
    splitter = Splitter("h264")
    assert splitter.feed(joined([SPS, PPS, LONG]), 1.0) == []
    (first,) = splitter.feed(joined([LONG])[:20], 1.002)
    assert (first.nals, first.time, first.codec) == ([SPS, PPS, LONG], 1.0, "h264")


def test_or_after_silence():
    splitter = Splitter("h264")
    assert splitter.due() is None
    splitter.feed(joined([SPS, PPS]), 1.0)
    assert splitter.due() is None, "parameter sets wait for their picture"
    splitter.feed(joined([IDR]), 2.0)
    assert splitter.due() == 2.0 + QUIET_S
    (picture,) = splitter.flush()
    assert (picture.nals, picture.time) == ([SPS, PPS, IDR], 2.0)
    assert splitter.due() is None
    assert splitter.feed(joined([P]), 2.1) == []
    assert splitter.flush()[0].nals == [P]
    assert not splitter.damage


@pytest.mark.parametrize("cut", range(1, 5))
def test_a_start_code_that_silence_cuts_is_one(cut):
    """Some encoders write a byte of the next start code with the picture before."""
    splitter = Splitter("h264")
    stream = joined([IDR]) + joined([P])[:cut]
    splitter.feed(stream, 0.0)
    assert [unit.nals for unit in splitter.flush()] == [[IDR]]
    splitter.feed(joined([P])[cut:], 0.02)
    assert [unit.nals for unit in splitter.flush()] == [[P]]
    assert not splitter.damage


def test_a_unit_that_pauses_loses_its_rest_and_the_splitter_then_waits_longer():
    splitter = Splitter("h264")
    for pause in range(1, 6):
        splitter.feed(joined([LONG])[:1000], pause)
        assert [unit.nals for unit in splitter.flush()] == [[LONG[:996].rstrip(b"\0")]]
        for piece in range(1000, 5000, 1000):
            assert splitter.feed(joined([LONG])[piece : piece + 1000], pause + 0.2) == []
        splitter.feed(joined([P]), pause + 0.3)
        assert splitter.due() == pytest.approx(pause + 0.3 + min(QUIET_S * 2**pause, QUIET_MAX_S))
        assert [unit.nals for unit in splitter.flush()] == [[P]]
        assert splitter.damage == {Damage.PAUSE_IN_UNIT: pause}


def test_it_waits_less_again_when_the_stream_is_calm(monkeypatch):
    monkeypatch.setattr(annexb, "CALM_AFTER", 10)
    splitter = Splitter("h264")
    splitter.feed(joined([LONG])[:1000], 0.0)
    splitter.flush()
    splitter.feed(joined([LONG])[1000:] + joined([P]), 2.0)
    assert splitter.due() == pytest.approx(2.0 + 2 * QUIET_S)
    for second in range(3, 40):
        splitter.feed(joined([P]), second)
        if second in (3, 12, 13, 39):
            assert splitter.due() == pytest.approx(second + (QUIET_S if second > 12 else 2 * QUIET_S))


@pytest.mark.parametrize(("codec", "first", "second"), [("h264", P, P_SECOND), ("h265", TRAIL5, TRAIL5_SECOND)])
def test_slices_that_come_one_by_one_keep_the_time_of_their_picture(codec, first, second):
    splitter = Splitter(codec)
    splitter.feed(joined([first]), 5.0)
    (begun,) = splitter.flush()
    splitter.feed(joined([second]), 5.01)
    (rest,) = splitter.flush()
    assert (begun.time, rest.time, rest.nals) == (5.0, 5.0, [second])
    assert splitter.damage == {Damage.PAUSE_IN_PICTURE: 1}
    splitter.feed(joined([first]), 5.04)
    assert splitter.flush()[0].time == 5.04


def test_what_precedes_the_first_start_code_is_counted_once():
    splitter = Splitter("h264")
    for _ in range(3):
        splitter.feed(b"rubbish", 0.0)
    splitter.feed(joined([IDR]), 0.0)
    assert [unit.nals for unit in splitter.flush()] == [[IDR]]
    assert splitter.damage == {Damage.OUTSIDE_UNIT: 1}


def test_what_is_too_large_is_left_out(monkeypatch):
    monkeypatch.setattr(annexb, "UNIT_MAX", 5000)
    splitter = Splitter("h264")
    splitter.feed(joined([SPS, LONG]), 0.0)
    splitter.feed(joined([P]), 0.0)
    assert [unit.nals for unit in splitter.flush()] == [[SPS], [P]]
    assert splitter.damage == {Damage.UNIT_TOO_LONG: 1}
    assert len(splitter._buffer) <= 2


def test_a_picture_has_a_bound(monkeypatch):
    monkeypatch.setattr(annexb, "UNITS_MAX", 3)
    splitter = Splitter("h264")
    splitter.feed(joined([SPS, PPS, IDR, IDR[:1] + P_SECOND[1:], P]), 0.0)
    assert [len(unit.nals) for unit in splitter.flush()] == [3, 1]
    assert splitter.damage == {Damage.PICTURE_TOO_LARGE: 1}
    monkeypatch.setattr(annexb, "PICTURE_MAX", 6)
    splitter.feed(joined([IDR, IDR]), 0.0)
    splitter.flush()
    splitter.feed(joined([P, P_SECOND, P_THIRD]), 0.0)
    assert [unit.nals for unit in splitter.flush()] == [[P]]


def test_empty_and_short_units_are_left_out():
    splitter = Splitter("h265")
    splitter.feed(b"\0\0\1\0\0\1\x40" + joined([IDR5]), 0.0)
    assert [unit.nals for unit in splitter.flush()] == [[IDR5]]
    assert splitter.damage == {Damage.UNIT_TOO_SHORT: 1}


@pytest.mark.parametrize("place", [0, 1, 2, 3, 100, 8159, 65533, 10**6])
def test_first_macroblock_is_read_to_the_bit(place):
    code = bin(place + 1)[2:]
    bits = ("0" * (len(code) - 1) + code).ljust(64, "1")
    assert nal.first_macroblock(b"\x41" + int(bits, 2).to_bytes(8, "big")) == place


def test_a_code_without_end_is_the_largest():
    assert nal.first_macroblock(b"\x41") == nal.first_macroblock(b"\x41\0\0\0\0\0\0\0\1") == 1 << 56


def test_random_cuts_of_the_clip():
    stream = CLIP.read_bytes()[:100_000]
    whole = pictures(stream)
    rng = random.Random(16)
    for _ in range(5):
        cuts = tuple(sorted(rng.sample(range(len(stream)), 200)))
        assert pictures(stream, cuts=cuts) == whole
