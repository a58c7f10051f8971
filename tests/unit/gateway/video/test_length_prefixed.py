"""avcC and hvcC, and units with lengths (ISO 14496-15)."""

from __future__ import annotations

import pytest

from gateway.video import length_prefixed
from gateway.video.damage import Damage, Damaged
from gateway.video.length_prefixed import Configuration, avc_configuration, hevc_configuration, units

# By ffmpeg 5.1 and 9.0, of a test picture: FLV's AVC sequence header, and the hvc1 sequence start, cut to VPS, SPS and PPS.
AVCC = bytes.fromhex("01 4d400d ff e1 0004 67640d01 01 0003 68ce38")
HVCC = bytes.fromhex(
    "01 01 60000000 900000000000 1e f000 fc fd f8 f8 0000 0f 03"
    "a0 0001 0004 40010c01 a1 0001 0003 420101 a2 0001 0003 4401c1"
)


def damage(run: object) -> Damage:
    with pytest.raises(Damaged) as caught:
        run()  # type: ignore[operator]
    return caught.value.damage


def test_the_records():
    assert avc_configuration(AVCC) == Configuration("h264", 4, [bytes.fromhex("67640d01"), bytes.fromhex("68ce38")])
    assert hevc_configuration(HVCC) == Configuration(
        "h265", 4, [bytes.fromhex("40010c01"), bytes.fromhex("420101"), bytes.fromhex("4401c1")]
    )


def test_what_follows_the_sets_of_h264_is_ignored():
    assert avc_configuration(AVCC + b"\xfd\xf8\xf8\0") == avc_configuration(AVCC)


def test_messages_in_a_record_are_not_parameter_sets():
    with_sei = HVCC[:22] + b"\4" + HVCC[23:] + bytes.fromhex("a7 0001 0004 4e010580")
    assert hevc_configuration(with_sei) == hevc_configuration(HVCC)


@pytest.mark.parametrize("cut", range(len(HVCC)))
def test_a_record_that_is_cut_is_refused(cut):
    assert damage(lambda: hevc_configuration(HVCC[:cut])) is Damage.CONFIGURATION
    if cut < len(AVCC):
        assert damage(lambda: avc_configuration(AVCC[:cut])) is Damage.CONFIGURATION


def test_other_versions_and_lengths_are_refused(monkeypatch):
    assert damage(lambda: avc_configuration(b"\0" + AVCC[1:])) is Damage.CONFIGURATION
    assert damage(lambda: hevc_configuration(b"\2" + HVCC[1:])) is Damage.CONFIGURATION
    assert damage(lambda: avc_configuration(AVCC[:4] + b"\xfe" + AVCC[5:])) is Damage.CONFIGURATION, "three bytes"
    assert damage(lambda: avc_configuration(AVCC[:6] + b"\0\0" + b"\0")) is Damage.CONFIGURATION, "an empty set"
    monkeypatch.setattr(length_prefixed, "UNITS_MAX", 2)
    assert damage(lambda: hevc_configuration(HVCC)) is Damage.CONFIGURATION


@pytest.mark.parametrize("size", [1, 2, 4])
def test_units(size, monkeypatch):
    configuration = Configuration("h265", size, [])
    body = b"".join(len(nal).to_bytes(size, "big") + nal for nal in (b"abc", b"", b"de"))
    assert units(body, configuration) == [b"abc", b"de"]
    for cut in range(len(body) - 2):
        if cut not in (0, size + 3, 2 * size + 3):
            assert damage(lambda cut=cut: units(body[:cut], configuration)) is Damage.LENGTH
    assert damage(lambda: units(bytes(size - 1) + b"\1a", configuration)) is Damage.UNIT_TOO_SHORT
    monkeypatch.setattr(length_prefixed, "UNITS_MAX", 1)
    assert damage(lambda: units(body, configuration)) is Damage.PICTURE_TOO_LARGE
