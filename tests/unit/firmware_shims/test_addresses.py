"""What of the aircraft's frames leads a station around the seal, and what is put in its place."""

from __future__ import annotations

import pytest
from pymavlink.dialects.v20 import all as dialect

from firmware_shims import addresses
from firmware_shims.definitions import MESSAGES
from tests.guarded import filled, frame

FIELD_OF = {
    "VIDEO_STREAM_INFORMATION": "uri",
    "CAMERA_INFORMATION": "cam_definition_uri",
    "COMPONENT_METADATA": "uri",
    "COMPONENT_INFORMATION": "peripherals_metadata_uri",
    "HERELINK_VIDEO_STREAM_INFORMATION": "uri",
    "RESOURCE_REQUEST": "uri",
}


@pytest.mark.parametrize("name", FIELD_OF)
@pytest.mark.parametrize(
    "uri",
    [
        *(
            b"rtsp://192.168.1.10:8554/1",
            b"http://192.168.1.10/cam.xml",
            b"RTSP://a",
            b"udp://192.168.1.10:5600",
            b" rtsp://a",
        ),
        *(
            b"192.168.1.10:5600",
            b"//192.168.1.10/a",
            b"tcp://a",
            b"\nrtsp://a",
            b"5600 rtsp://a",
            b"123456",
            b"mftp:http://a",
        ),
        *(b"5600\n", b"\xff"),
    ],
)
def test_what_leads_around_the_seal_stays_aboard(name: str, uri: bytes):
    sent = filled(name, {FIELD_OF[name]: uri})
    assert addresses.is_watched(sent)
    assert addresses.held(sent) == name


@pytest.mark.parametrize("name", FIELD_OF)
@pytest.mark.parametrize("uri", [b"", b"5600", b"mftp:///etc/cam.xml.xz", b"MFTP://[;comp=100]/cam.xml", b"5600\0rtsp://a"])
def test_what_stays_inside_leaves(name: str, uri: bytes):
    assert addresses.held(filled(name, {FIELD_OF[name]: uri})) is None


def test_zeros_that_a_sender_truncated_are_none_of_the_address():
    sent = bytes(dialect.MAVLink_camera_information_message(*CAMERA, b"mftp://a").pack(dialect.MAVLink(None, 1, 100)))
    assert len(sent) < len(frame("CAMERA_INFORMATION"))
    assert addresses.held(sent) is None


CAMERA = (0, b"v" * 32, b"m" * 32, 1, 1.0, 1.0, 1.0, 1, 1, 1, 1, 1)


def test_the_second_field_is_looked_at_too():
    both = {"general_metadata_uri": b"mftp://a", "peripherals_metadata_uri": b"https://a"}
    assert addresses.held(filled("COMPONENT_INFORMATION", both)) == "COMPONENT_INFORMATION"


def test_a_message_of_mavlink_1_is_judged_too():
    sent = filled("RESOURCE_REQUEST", {"uri": b"http://a"}, v1=True)
    assert addresses.is_watched(sent)
    assert addresses.held(sent) == "RESOURCE_REQUEST"


def test_all_others_pass_by_their_number():
    with_uri = {message.name for message in MESSAGES.values() if any(field.endswith("uri") for field in message.fields)}
    assert with_uri == addresses.NAMES == {*FIELD_OF}
    others = [message.name for message in MESSAGES.values() if message.name not in {*with_uri, "SETUP_SIGNING"}]
    assert not any(addresses.is_watched(frame(name)) for name in others)
    assert not any(addresses.is_watched(frame(name, v1=True)) for name in others if MESSAGES_BY_NAME[name] < 256)
    assert addresses.held(frame("SETUP_SIGNING")) == "SETUP_SIGNING"


MESSAGES_BY_NAME = {message.name: number for number, message in MESSAGES.items()}


def stream(uri: bytes, kind: int = 2, number: int = 1) -> bytes:
    fields = (number, 2, kind, 1, 30.0, 1920, 1080, 4_000_000, 90, 60, b"day", uri)
    return bytes(dialect.MAVLink_video_stream_information_message(*fields).pack(dialect.MAVLink(None, 1, 100)))


def test_a_mark_is_what_another_library_would_have_made_of_it():
    assert addresses.marked(stream(b"rtsp://192.168.1.10:8554/1")) == stream(b"zegel:a")
    assert addresses.marked(stream(b"rtsp://a", number=0)) == stream(b"zegel:a", number=0)
    assert addresses.marked(stream(b"rtsp://192.168.1.10:8554/2", number=2)) == stream(b"zegel:b", number=2)


@pytest.mark.parametrize(
    "sent",
    [
        stream(b"rtsp://a", number=3),
        stream(b"rtsp://a", number=255),
        filled("VIDEO_STREAM_INFORMATION", {"uri": b"rtsp://a", "stream_id": 1}, flags=1),
        stream(b"rtsp://a")[:-1] + b"\0",
        filled("CAMERA_INFORMATION", {"cam_definition_uri": b"http://a"}),
        filled("RESOURCE_REQUEST", {"uri": b"http://a"}, v1=True),
    ],
    ids=["a third lane", "a stream of another kind", "signed", "damaged", "another message", "MAVLink 1"],
)
def test_what_cannot_be_marked(sent: bytes):
    assert addresses.held(sent)
    assert addresses.marked(sent) is None


def test_a_station_puts_its_own_port_in_and_changes_nothing_else():
    ports = (5600, 15_604)
    assert addresses.at_station(memoryview(bytearray(stream(b"zegel:a"))), ports) == stream(b"5600", kind=1)
    assert addresses.at_station(stream(b"zegel:b", number=2), ports) == stream(b"15604", kind=1, number=2)
    for other in (stream(b"5602"), stream(b"zegel:c"), stream(b"zegel:a/"), frame("HEARTBEAT"), frame("PING", v1=True)):
        assert addresses.at_station(other, ports) == other
    signed = filled("VIDEO_STREAM_INFORMATION", {"uri": b"zegel:a"}, flags=1)
    assert addresses.at_station(signed, ports) == signed


@pytest.mark.parametrize("ports", [(), (None,), (None, 5604)])
def test_a_mark_stays_where_a_station_has_no_port_for_it(ports: tuple[int | None, ...]):
    assert addresses.at_station(stream(b"zegel:a"), ports) == stream(b"zegel:a")
