"""Media and RTMP for the fuzz law: what a camera, a controller or a stranger in the network may send to `zegel source`."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from pymavlink.dialects.v20 import ardupilotmega

from firmware_shims import vendor_feed
from firmware_shims.vendor_feed import Record
from gateway.share.rtsp_digest import Credentials, Digest
from gateway.share.rtsp_session import First, Place, Refusal, Seat
from gateway.share.rtsp_session import Session as RtspSession
from gateway.share.rtsp_stream import Stream
from gateway.sources import rtmp_amf0
from gateway.sources.rtmp_session import RANDOM_SIZE, Session
from gateway.sources.rtmp_video import VideoTags
from gateway.video import length_prefixed, rtp
from gateway.video.annexb import Splitter
from gateway.video.depacketiser import Depacketiser
from gateway.video.length_prefixed import Configuration
from gateway.video.nal import AccessUnit, Codec, is_key
from gateway.video.packetiser import Packetiser
from gateway.video.recognise import recognise
from gateway.video.stream_pictures import StreamPictures
from gateway.video.timeline import TOLERANCE
from gateway.video.ts import PACKET_SIZE, PIECE_SIZE, Pieces
from gateway.video.ts_demux import STAMPS, TsDemux
from gateway.video.ts_mux import TsMux
from gateway.view import pictures as limits
from gateway.view.aircraft import Aircraft
from gateway.view.pictures import PictureStream
from tests.films import joined
from tests.rtmp_publisher import HELLO, Publisher, avc_record, configuration_tag, hevc_record, picture_tag
from tests.rtsp_client import PASSWORD, TCP, USER, Client, Received

NALS: dict[Codec, list[bytes]] = {
    "h264": [b"\x67\x42\x00\x1f\xe9", b"\x68\xce\x38\x80", b"\x06\x05\x01\x80", b"\x65\x88\x80\x10\x20", b"\x41\x9a" * 30],
    "h265": [b"\x40\x01\x0c\x01", b"\x42\x01\x01\x01", b"\x44\x01\xc1\x73", b"\x26\x01\xaf\x12", b"\x02\x01\xd0\x33" * 20],
}
KEY = {codec: AccessUnit(nals[:4], True, 0.0, codec) for codec, nals in NALS.items()}
NEXT = {codec: AccessUnit(nals[4:], False, 0.0, codec) for codec, nals in NALS.items()}
STREAMS = {codec: joined(nals, b"\0\0\0\1") + b"\0\0\1" + nals[3] for codec, nals in NALS.items()}
PACKETS = {
    codec: tuple(Packetiser(codec, 1, 1, mtu=60).packets(AccessUnit(nals, True, 0.0, codec), 0))
    for codec, nals in NALS.items()
}
EXTENDED = bytes.fromhex("b2 60 0001 00000002 00000003 00000004 00000005 bede0001 10203040") + b"payload\0\0\3"
RECORDS = {"h264": avc_record(NALS["h264"]), "h265": hevc_record(NALS["h265"])}
BODIES = {codec: picture_tag(unit)[5 if codec == "h264" else 8 :] for codec, unit in KEY.items()}
TAGS = tuple(tag(unit) for unit in KEY.values() for tag in (configuration_tag, picture_tag))
AMF = rtmp_amf0.encode("connect", 1.0, {"app": "live", "list": [None, True, {"deep": [2.0]}]}) + bytes.fromhex(
    "08 00000000 0001 61 0c 00000001 62 0001 63 0b 4270000000000000 0000 0000 09 06"
)
_LINE = ardupilotmega.MAVLink(None, srcSystem=1, srcComponent=1)
HEARTBEAT = bytes(ardupilotmega.MAVLink_heartbeat_message(2, 3, 81, 5, 4, 3).pack(_LINE))
FRAMES = (
    HEARTBEAT,
    *(
        bytes(message.pack(_LINE))
        for message in (
            ardupilotmega.MAVLink_global_position_int_message(9, 520000000, 40000000, 9000, 8000, 1, 2, 3, 9000),
            ardupilotmega.MAVLink_statustext_message(4, b"PreArm: Compass not calibrated, and more", 7, 1),
            ardupilotmega.MAVLink_adsb_vehicle_message(1, 520000000, 1, 0, 9000, 9000, 1, 1, b"KLM123", 1, 1, 31, 7),
            ardupilotmega.MAVLink_gimbal_device_attitude_status_message(1, 1, 1, 64, [1.0, 0, 0, 0], 0, 0, 0, 0),
        )
    ),
)
_MUX = TsMux("h264")
TRANSPORT = b"".join(_MUX.picture(STREAMS["h264"], key, 3600 * key, 0) for key in (True, False, True))
TS = (b"\x47" + bytes(PACKET_SIZE - 1)) * 7

DESCRIPTIONS = (
    b"v=0\r\nm=video 5600 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 sprop-parameter-sets=Z0IAH+k=,aM44gA==\r\n",
    b"a=rtpmap:98 H265/90000\na=fmtp:98 sprop-vps=QAEMAQ==;sprop-sps=QgEBAQ==;sprop-pps=RAHBcw==\n",
)


def _published(codec: Codec) -> bytes:
    publisher = Publisher(128)
    begun = publisher.begin()
    return begun + b"".join(publisher.pictures((KEY[codec], NEXT[codec]))) + publisher.end()


PUBLISHED = tuple(map(_published, NALS))


def split(codec: Codec) -> Callable[[bytes], object]:
    """A stream that is cut anywhere and pauses."""

    def parse(data: bytes) -> object:
        splitter, half = Splitter(codec), len(data) // 2
        out = splitter.feed(data[:half], 0.0)
        if len(data) % 2:
            out += splitter.flush()
        out += splitter.feed(data[half:], 1.0) + splitter.flush()
        assert all(nal in data for unit in out for nal in unit.nals)
        assert all(unit.key == is_key(codec, unit.nals) for unit in out)
        for unit in out:
            assert all(len(packet) <= 60 for packet in Packetiser(codec, 1, 1, mtu=60).packets(unit, 0))
        return out or None

    return parse


def depacketised(codec: Codec) -> Callable[[bytes], object]:
    """The first fragment of a unit came before; the next picture comes after."""
    before = rtp.parse(PACKETS[codec][-1]).sequence - 1
    begun = rtp.make(rtp.Packet(96, False, before, 0, 1, b"\x7c\x85AB" if codec == "h264" else b"\x62\x01\x93AB"))
    after = rtp.make(rtp.Packet(96, True, 9, 9, 1, NALS[codec][3]))

    def parse(data: bytes) -> object:
        back = Depacketiser(codec)
        for packet in (begun, data, after):
            for unit, _ in back.feed(packet, 0.0):
                assert all(len(nal) <= len(data) + 10 for nal in unit.nals)
        return None if set(back.damage) else back

    return parse


def pieces(data: bytes) -> object:
    made, half = Pieces(), len(data) // 2
    out = made.feed(data[:half]) + made.feed(data[half:]) + made.flush()
    assert all(len(piece) <= PIECE_SIZE and set(piece[::PACKET_SIZE]) == {0x47} for piece in out)
    assert len(made._buffer) < 2 * PACKET_SIZE
    return out or None


def transported(data: bytes) -> object:
    """Two datagrams of MPEG-TS; the first picture came before."""
    demux, half = TsDemux(), len(data) // 2 // PACKET_SIZE * PACKET_SIZE
    out = demux.feed(TRANSPORT[: 4 * PACKET_SIZE], 0.0) + demux.feed(data[:half], 1.0) + demux.feed(data[half:], 2.0)
    out += demux.flush()
    for timed in out:
        assert sum(map(len, timed.unit.nals)) <= len(data) + 4 * PACKET_SIZE
        assert timed.stamp is None or timed.stamp < STAMPS
    return None if demux.damage else demux


def recognised(data: bytes) -> object:
    form = recognise([data])
    reader = StreamPictures(form)
    for picture in reader.feed(data, 10**9) + reader.flush():
        assert picture.arrived_ns == 10**9
        assert abs(picture.shown - 90_000) <= TOLERANCE
    return form


SEQUENCES: dict[Codec, tuple[bytes, ...]] = {
    "h264": (bytes.fromhex("6742c028da01e0089f97011000000300100000030320f1832a"),),
    "h265": (bytes.fromhex("42010101600000030090000003000003003ca00a8804071136595952930bc05a020000030002000003003210"),),
}


def viewed(data: bytes) -> object:
    """A lane of video of which the form is known; a picture came before, and one comes after."""
    stream = PictureStream()
    known = [*PACKETS["h264"], *PACKETS["h264"]][: limits.FORM_KNOWN_AFTER]
    for place, packet in enumerate([*known, data, *PACKETS["h264"]]):
        for picture in stream.take(packet, float(place)):
            assert sum(map(len, picture.nals)) <= len(data) + sum(map(len, known))
            assert picture.lost >= 0
            assert picture.annexb.startswith(b"\0\0\0\1")
    assert len(stream.since_key) <= limits.KEPT_PICTURES_MAX
    return stream if stream.pictures else None


def said(data: bytes) -> object:
    """One frame of an aircraft after its heartbeat: whatever it says, JSON can say it."""
    aircraft = Aircraft()
    aircraft.take(HEARTBEAT, 0.0)
    aircraft.take(data, 1.0, 1)
    msgspec.json.encode((aircraft.telemetry, [*aircraft.texts.lines], aircraft.traffic.at(1.0)))
    return None if aircraft.garbage else aircraft


def units(codec: Codec) -> Callable[[bytes], object]:
    configuration = Configuration(codec, 4, [])
    return lambda data: length_prefixed.units(data, configuration) or None


def tagged(data: bytes) -> object:
    """After the configuration of H.264."""
    tags = VideoTags()
    tags.feed(TAGS[0], 0, 0.0)
    tags.feed(data, 0, 0.0)
    return None if tags.damage else tags


def published(data: bytes) -> object:
    """A connection after its handshake, with any application and key."""
    session = Session(lambda _: None, bytes(RANDOM_SIZE), 0.0)
    half = len(data) // 2
    pictures = session.feed(HELLO + data[:half], 0.0) + session.feed(data[half:], 0.0)
    assert len(session.output()) < 10_000
    return None if session.video.damage else (pictures, session)


VENDOR = (
    vendor_feed.make(Record(vendor_feed.Kind.PICTURE, 7, 1_000_000, STREAMS["h264"])),
    vendor_feed.make(Record(vendor_feed.Kind.TELEMETRY, 8, 1_000_100, bytes(18))),
    vendor_feed.make(Record(vendor_feed.Kind.STATUS, 9, 1_000_200, "waits for the camera: 3 \u00b0C".encode())),
)


class _RtspServer:
    """With every stream, and a seat for everybody."""

    def describe(self, _: Place) -> str:
        return "v=0\r\n"

    def admit(self, _: Place) -> Seat:
        return Seat((8556, 8557), 1)

    def refused(self, _: Refusal) -> None: ...

    def begin(self) -> First:
        return First(1, 1)


NONCE = "00ff"


def _asked() -> bytes:
    """All that a reader asks."""
    client = Client(algorithm="SHA-256")
    client.nonce = NONCE
    begun = client.request("DESCRIBE") + client.request("SETUP", f"{client.url}/trackID=0", Transport=TCP)
    client.session = "5e55"
    playing = client.request("PLAY") + b"$\1\0\4abcd" + client.request("GET_PARAMETER", Content_Length="2") + b"ab"
    return b"\r\n" + begun + playing + client.request("TEARDOWN")


ASKED = _asked()


def asked(data: bytes) -> object:
    """A reader that knows the password; what it sends is cut once. Its answers are bounded by its questions."""
    session = RtspSession(_RtspServer(), Digest(Credentials(USER, PASSWORD), NONCE), lambda: "5e55", 0.0, udp=True)
    half = len(data) // 2
    session.feed(data[:half], 1.0)
    session.feed(data[half:], 2.0)
    session.check(3.0)
    answers = session.output()
    assert len(answers) <= 700 * (1 + data.count(b"RTSP/1.0"))
    received = Received()
    received.feed(answers)
    assert not received.rest
    return session


def shared(data: bytes) -> object:
    """A lane whose datagrams are of some form, and then this one."""
    made = Stream(Place("uav", "a"), lambda bits: (1 << bits) - 1)
    before = PACKETS["h264"] * 12 if len(data) % 2 else (TS[:PACKET_SIZE],) * 12
    for one in before:
        made.take(one, "s", 1)
    packets = [packet for _ in range(14) for packet in made.take(data, "s", 2)]
    assert all(len(packet) <= max(len(data), PACKET_SIZE) + rtp.HEADER_SIZE for packet in packets)
    made.description()
    made.first(made.since_key())
    return made
