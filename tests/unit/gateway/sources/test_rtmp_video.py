"""Video tags: H.264 as in FLV, H.265 as in enhanced RTMP, and all that is neither."""

from __future__ import annotations

import pytest

from gateway.sources.rtmp_video import WAITING_SIZE_MAX, VideoTags
from gateway.video.damage import Damage
from gateway.video.nal import AccessUnit, Codec
from tests.rtmp_publisher import configuration_tag, picture_tag

SETS: dict[Codec, list[bytes]] = {
    "h264": [b"\x67\x42\x00\x1f", b"\x68\xce\x38"],
    "h265": [b"\x40\x01\x0c", b"\x42\x01\x01", b"\x44\x01\xc1"],
}
IDR: dict[Codec, bytes] = {"h264": b"\x65\x88\x80", "h265": b"\x26\x01\xaf"}
P: dict[Codec, bytes] = {"h264": b"\x41\x9a\x02", "h265": b"\x02\x01\xd0"}
CODECS: tuple[Codec, ...] = ("h264", "h265")
both = pytest.mark.parametrize("codec", CODECS)


def unit(codec: Codec, *nals: bytes, key: bool = False) -> AccessUnit:
    return AccessUnit(list(nals), key, 0.0, codec)


def configured(codec: Codec) -> VideoTags:
    tags = VideoTags()
    assert tags.feed(configuration_tag(unit(codec, *SETS[codec])), 0, 0.0) is None
    return tags


@both
def test_a_key_picture_gets_its_parameter_sets(codec):
    tags = configured(codec)
    picture, timestamp = tags.feed(picture_tag(unit(codec, IDR[codec], key=True)), 40, 7.0)
    assert picture == AccessUnit([*SETS[codec], IDR[codec]], True, 7.0, codec)
    assert timestamp == 3600
    assert tags.feed(picture_tag(unit(codec, P[codec])), 80, 7.0)[0].nals == [P[codec]]


@both
@pytest.mark.parametrize(("offset", "timestamp"), [(0, 9000), (40, 12_600), (-40, 5400), (-200, 2**32 - 9000)])
def test_the_timestamp_is_that_of_being_shown(codec, offset, timestamp):
    assert configured(codec).feed(picture_tag(unit(codec, P[codec]), offset), 100, 0.0)[1] == timestamp


def test_enhanced_h264_and_pictures_without_offset():
    tags = VideoTags()
    plain = configuration_tag(unit("h264", *SETS["h264"]))
    tags.feed(b"\x90avc1" + plain[5:], 0, 0.0)
    assert tags.feed(b"\xa3avc1\0\0\0\3" + P["h264"], 10, 0.0)[0].nals == [P["h264"]]
    tags = configured("h265")
    assert tags.feed(b"\xa3hvc1\0\0\0\3" + P["h265"], 10, 0.0) == (unit("h265", P["h265"]), 900)


def test_a_publisher_may_change_its_codec():
    tags = configured("h264")
    tags.feed(configuration_tag(unit("h265", *SETS["h265"])), 0, 0.0)
    picture, _ = tags.feed(picture_tag(unit("h265", IDR["h265"], key=True)), 0, 0.0)
    assert picture.nals == [*SETS["h265"], IDR["h265"]]


@pytest.mark.parametrize(
    "tag",
    [
        b"\x57\0",  # a server's command
        b"\xd4hvc1",
        b"\x17\2\0\0\0",  # the end of a sequence
        b"\x17\x09\0\0\0",
        b"\x92hvc1",
        b"\x94hvc1" + bytes(30),  # metadata, with which ffmpeg begins
        b"\x17\1\0\0\0",  # no unit
        b"\x17\1\0\0\0\0\0\0\0",
    ],
)
def test_what_has_no_picture(tag):
    tags = configured("h264")
    assert tags.feed(tag, 0, 0.0) is None
    assert not tags.damage


@pytest.mark.parametrize(
    "tag", [b"\x12\0\0\0\0", b"\x1c\1\0\0\0", b"\x90av01\x81", b"\x90vp09", b"\x96\0hvc1", b"\x97\0\0hvc1"]
)
def test_another_codec_is_counted(tag):
    """Sorenson, H.265 by a number that no standard gave, AV1, VP9; several tracks, and modifiers."""
    tags = configured("h264")
    assert tags.feed(tag, 0, 0.0) is None
    assert tags.damage == {Damage.CODEC: 1}
    assert tags.feed(picture_tag(unit("h264", P["h264"])), 0, 0.0)


@both
def test_units_without_a_picture_wait_for_it(codec):
    """DJI sends the messages of each picture in a tag of their own; bluenviron/mediamtx has the same in its tests."""
    sei = b"\x06\x01\x02" if codec == "h264" else b"\x4e\x01\x05"
    tags = configured(codec)
    assert tags.feed(picture_tag(unit(codec, sei)), 40, 0.0) is None
    picture, timestamp = tags.feed(picture_tag(unit(codec, P[codec])), 40, 0.0)
    assert (picture.nals, timestamp) == ([sei, P[codec]], 3600)
    assert tags.feed(picture_tag(unit(codec, P[codec])), 80, 0.0)[0].nals == [P[codec]]
    for _ in range(50):
        tags.feed(picture_tag(unit(codec, sei)), 40, 0.0)
    assert len(tags.feed(picture_tag(unit(codec, P[codec])), 40, 0.0)[0].nals) < 20


@pytest.mark.parametrize(
    ("tag", "damage"),
    [
        (b"", Damage.LENGTH),
        (b"\x17", Damage.LENGTH),
        (b"\x90hvc", Damage.LENGTH),
        (b"\x17\1\0\0", Damage.LENGTH),
        (b"\x91hvc1\0\0", Damage.LENGTH),
        (b"\x17\0\0\0\0", Damage.CONFIGURATION),
        (b"\x90hvc1\1", Damage.CONFIGURATION),
        (b"\x27\1\0\0\0\0\0\0\4abc", Damage.LENGTH),
    ],
)
def test_a_tag_that_cannot_be_read_is_counted_and_the_next_picture_comes(tag, damage):
    tags = configured("h264")
    assert tags.feed(tag, 0, 0.0) is None
    assert tags.damage == {damage: 1}
    assert tags.feed(picture_tag(unit("h264", P["h264"])), 0, 0.0)


def test_a_picture_without_configuration_is_counted():
    tags = VideoTags()
    assert tags.feed(picture_tag(unit("h264", P["h264"])), 0, 0.0) is None
    assert tags.damage == {Damage.CONFIGURATION: 1}


def test_what_waits_for_its_picture_has_a_bound():
    tags = configured("h264")
    for _ in range(3):
        assert tags.feed(picture_tag(unit("h264", b"\x06" + bytes(WAITING_SIZE_MAX // 3))), 0, 0.0) is None
    assert tags.damage == {Damage.PICTURE_TOO_LARGE: 1}
    assert tags.feed(picture_tag(unit("h264", P["h264"])), 0, 0.0)[0].nals == [P["h264"]]
