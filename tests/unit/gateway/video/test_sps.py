"""The sequence parameter set: what x264 and x265 wrote for known sizes, and what no set can make of its reader."""

from __future__ import annotations

import random

import pytest

from gateway.video import sps
from gateway.video.damage import Damaged
from gateway.video.nal import Codec

WRITTEN: list[tuple[Codec, str, tuple[str, int, int]]] = [  # by ffmpeg 5.1
    ("h264", "6742c028da01e0089f97011000000300100000030320f1832a", ("avc1.42c028", 1920, 1080)),
    ("h264", "674d4028eca03c0113f2e022000003000200000300641e30632c", ("avc1.4d4028", 1920, 1080)),
    ("h264", "67f4000d91968150878f8bc044000003000400000300c83c50aa80", ("avc1.f4000d", 322, 246)),
    ("h265", "42010101600000030090000003000003003ca00a8804071136595952930bc05a020000030002000003003210",
     ("hvc1.1.6.L60.90", 322, 246)),
    ("h265", "4201012408000003009e080000030000b7900078100220f89cb2b2a5261780b4040000030004000003006420",
     ("hvc1.4.10.H183.9E.8", 1920, 1080)),
]  # fmt: skip


@pytest.mark.parametrize(("codec", "written", "wanted"), WRITTEN)
def test_what_encoders_write(codec: Codec, written: str, wanted: tuple[str, int, int]):
    nal = bytes.fromhex(written)
    assert sps.is_sps(codec, nal)
    assert sps.read(codec, nal) == wanted


def bits(text: str) -> bytes:
    text = text.replace(" ", "")
    return int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")


def golomb(value: int) -> str:
    text = f"{value + 1:b}"
    return "0" * (len(text) - 1) + text


def h265(layers: int, width: int, height: int, cropped: str = "0") -> bytes:
    general = "00 0 00001" + f"{0x60000000:032b}" + f"{0x90:08b}" + 40 * "0" + f"{60:08b}"
    present = "11" + "01" * (layers - 1) + "00" * (8 - layers) if layers else ""
    of_layers = (88 + 8) * "0" + (layers - 1) * 8 * "0" if layers else ""
    size = golomb(0) + golomb(1) + golomb(width) + golomb(height) + cropped
    return b"\x42\x01" + bits("0000" + f"{layers:03b}" + "1" + general + present + of_layers + size)


@pytest.mark.parametrize("layers", range(7))
def test_temporal_layers_precede_the_size(layers: int):
    assert sps.read("h265", h265(layers, 640, 360)) == ("hvc1.1.6.L60.90", 640, 360)


def test_what_is_cropped_is_not_shown():
    cropped = "1" + golomb(0) + golomb(0) + golomb(0) + golomb(4)
    assert sps.read("h265", h265(0, 1920, 1088, cropped))[1:] == (1920, 1080)


@pytest.mark.parametrize("size", [(1 << 31, 16), (16, 1 << 20), (0, 8)])
def test_a_size_that_no_decoder_takes_is_refused(size: tuple[int, int]):
    with pytest.raises(Damaged):
        sps.read("h265", h265(0, *size))


def test_scaling_lists_and_the_order_of_pictures_precede_the_size():
    head = f"{100:08b}{0:08b}{31:08b}" + golomb(0) + golomb(1) + golomb(0) + golomb(0) + "0"
    lists = "1" + "1" + 16 * "1" + "1" + golomb(16) + 6 * "0"  # one of default deltas, one that ends at once (delta -8)
    order = golomb(0) + golomb(1) + "0" + golomb(0) + golomb(0) + golomb(2) + golomb(1) + golomb(2)
    size = golomb(1) + "0" + golomb(79) + golomb(44) + "1" + "1" + "0"
    assert sps.read("h264", b"\x67" + bits(head + lists + order + size))[1:] == (1280, 720)


@pytest.mark.parametrize(("codec", "written", "wanted"), WRITTEN)
def test_cut_or_wrong_it_is_read_or_refused(codec: Codec, written: str, wanted: tuple[str, int, int]):
    nal, rng = bytes.fromhex(written), random.Random(7)
    for end in range(2, len(nal)):
        accepts(codec, nal[:end])
    for _ in range(2000):
        wrong = bytearray(nal)
        for _ in range(rng.randrange(1, 9)):
            wrong[rng.randrange(2, len(wrong))] = rng.randrange(256)
        accepts(codec, bytes(wrong))
    with pytest.raises(Damaged):
        sps.read(codec, nal[:2] + bytes(600))


def accepts(codec: Codec, nal: bytes) -> None:
    try:
        found = sps.read(codec, nal)
    except Damaged:
        return
    assert 0 < found.width <= sps.SIDE_MAX
    assert 0 < found.height <= sps.SIDE_MAX
