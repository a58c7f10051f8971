"""One publisher's connection: whatever the cuts and the chunk size, the same pictures; and what is refused."""

from __future__ import annotations

import random
import struct

import pytest

from gateway.demo.clip import CLIP, pictures
from gateway.sources import rtmp_amf0 as amf0
from gateway.sources import rtmp_chunks
from gateway.sources.rtmp_chunks import ChunkReader
from gateway.sources.rtmp_refusal import Refusal, Refused
from gateway.sources.rtmp_session import (
    ACKNOWLEDGE_AFTER,
    ACKNOWLEDGEMENT,
    BEGIN_WITHIN_S,
    RANDOM_SIZE,
    SILENT_AFTER_S,
    UNPUBLISHED_BYTES_MAX,
    USER_CONTROL,
    Session,
    State,
)
from tests.rtmp_publisher import HELLO, Publisher, configuration_tag, picture_tag

FILM = pictures(CLIP.read_bytes())[:26]
IDLE = "live/front"


def session(taken: str = "") -> Session:
    def admit(asked: str) -> Refusal | None:
        if asked == taken:
            return Refusal.TAKEN
        return None if asked == IDLE else Refusal.PATH

    return Session(admit, bytes(RANDOM_SIZE), 0.0)


def answers(data: bytes) -> list[list[amf0.Value]]:
    """The commands in what the session sent after its handshake."""
    reader = ChunkReader()
    return [amf0.decode(message.payload) for message in reader.feed(data) if message.kind == 20]


def published(*, application: str = "live", name: str = "front", chunk_size: int = 4096) -> tuple[Session, Publisher]:
    made, publisher = session(), Publisher(chunk_size, application=application, name=name)
    made.feed(publisher.hello() + publisher.begin(), 0.0)
    made.output()
    return made, publisher


def refusal(data: bytes, made: Session | None = None) -> Refusal:
    with pytest.raises(Refused) as caught:
        (made or session()).feed(data, 0.0)
    return caught.value.refusal


@pytest.mark.parametrize("chunk_size", [128, 129, 1000, 4096, 60_000, 65_536])
def test_pictures_are_those_that_were_sent(chunk_size):
    made, publisher = published(chunk_size=chunk_size)
    out = [picture for data in publisher.pictures(FILM) for picture in made.feed(data, 7.0)]
    assert [(u.nals, u.key, u.time, u.codec) for u, _ in out] == [(u.nals, u.key, 7.0, "h264") for u in FILM]
    assert [timestamp for _, timestamp in out] == [place * 3600 for place in range(26)]
    assert not made.video.damage


def test_a_cut_at_any_byte_changes_nothing():
    publisher = Publisher(128)
    stream = publisher.hello() + publisher.begin() + b"".join(publisher.pictures(FILM[:3]))
    stream += publisher.end()
    whole = [(u.nals, t) for u, t in session().feed(stream, 0.0)]
    assert len(whole) == 3
    for cut in (*range(4000), *range(4000, len(stream), 97)):
        made = session()
        assert [(u.nals, t) for part in (stream[:cut], stream[cut:]) for u, t in made.feed(part, 0.0)] == whole
    made = session()
    assert [(u.nals, t) for at in range(len(stream)) for u, t in made.feed(stream[at : at + 1], 0.0)] == whole
    assert made.state is State.ENDED


def test_the_answers_are_those_of_nginx_rtmp():
    """Recorded from libnginx-mod-rtmp 1.2.2, but for its handshake, which has a digest."""
    made, publisher = session(), Publisher()
    made.feed(HELLO[:1537], 0.0)
    assert made.output() == b"\3" + bytes(8) + bytes(RANDOM_SIZE) + HELLO[1:1537]
    made.feed(HELLO[1537:] + publisher.begin() + publisher.end(), 0.0)
    sent = made.output()
    assert sent.startswith(
        bytes.fromhex("02 000000 000004 05 00000000 004c4b40")
        + bytes.fromhex("02 000000 000004 01 00000000 00001000")
        + bytes.fromhex("02 000000 000005 06 00000000 004c4b40 02")
    )
    assert answers(sent) == [
        [
            "_result",
            1.0,
            {"fmsVer": "FMS/3,0,1,123", "capabilities": 31.0},
            {
                "level": "status",
                "code": "NetConnection.Connect.Success",
                "description": "Connection succeeded.",
                "objectEncoding": 0.0,
            },
        ],
        ["_result", 4.0, None, 1.0],
        [
            "onStatus",
            0.0,
            None,
            {"level": "status", "code": "NetStream.Publish.Start", "description": "Start publishing"},
        ],
        [
            "onStatus",
            0.0,
            None,
            {"level": "status", "code": "NetStream.Unpublish.Success", "description": "Stop publishing"},
        ],
    ]


@pytest.mark.parametrize(("application", "name"), [("live/front", ""), ("live", "front"), ("", "live/front")])
def test_the_place_where_a_publisher_cuts_the_address_is_its_own(application, name):
    made, publisher = session(), Publisher(application=application, name=name)
    made.feed(publisher.hello() + publisher.begin(), 0.0)
    assert made.state is State.PUBLISHING


@pytest.mark.parametrize("name", ["", "fron", "frontx", "front?key=1", "FRONT"])
def test_another_key_is_refused_and_told(name):
    publisher, made = Publisher(name=name), session()
    assert refusal(publisher.hello() + publisher.begin(), made) is Refusal.PATH
    assert answers(made.output()[1 + 2 * 1536 :])[-1][3]["code"] == "NetStream.Publish.BadName"


def test_a_second_publisher_is_refused():
    publisher = Publisher()
    assert refusal(publisher.hello() + publisher.begin(), session(taken=IDLE)) is Refusal.TAKEN


def test_a_player_is_refused():
    publisher, made = Publisher(), session()
    made.feed(publisher.hello() + publisher.command("connect", 1.0, {"app": "live"}), 0.0)
    assert refusal(publisher.command("play", 2.0, None, "front"), made) is Refusal.PLAY


@pytest.mark.parametrize(
    "commands",
    [
        [("createStream", 1.0, None)],
        [("publish", 1.0, None, "front", "live")],
        [("connect", 1.0, {"app": "live"}), ("connect", 2.0, {"app": "live"})],
        [("connect", 1.0, {"app": "live"}), ("publish", 2.0, None, "front"), ("publish", 3.0, None, "front")],
    ],
)
def test_commands_have_an_order(commands):
    publisher, made = Publisher(), session()
    assert refusal(publisher.hello() + b"".join(publisher.command(*values) for values in commands), made) is Refusal.ORDER


@pytest.mark.parametrize(
    "values",
    [
        (),
        (1.0,),
        (None,),
        ("connect",),
        ("connect", "1", {"app": "live"}),
        ("connect", 1.0, None),
        ("connect", 1.0, {"app": 3.0}),
        ("connect", 1.0, {}),
    ],
)
def test_commands_that_cannot_be_read(values):
    publisher = Publisher()
    assert refusal(publisher.hello() + publisher.command(*values)) is Refusal.COMMAND


def test_a_publish_without_a_name():
    publisher, made = Publisher(), session()
    made.feed(publisher.hello() + publisher.command("connect", 1.0, {"app": "live"}), 0.0)
    assert refusal(publisher.command("publish", 2.0, None), made) is Refusal.COMMAND


def test_a_command_in_amf3_is_read():
    publisher, made = Publisher(), session()
    made.feed(publisher.hello() + publisher.send(3, 17, 0, 0, b"\0" + amf0.encode("connect", 1.0, {"app": "live"})), 0.0)
    assert made.state is State.CONNECTED


def test_pictures_before_and_after_a_stream_are_dropped():
    publisher, made = Publisher(), session()
    made.feed(publisher.hello(), 0.0)
    early = publisher.video(configuration_tag(FILM[0]), 0)
    assert made.feed(early + publisher.begin(), 0.0) == []
    assert made.feed(publisher.video(picture_tag(FILM[0]), 0), 0.0) == [], "its configuration came before the stream"
    made.feed(publisher.end(), 0.0)
    assert made.feed(publisher.video(configuration_tag(FILM[0]), 0) + publisher.video(picture_tag(FILM[0]), 0), 0.0) == []
    made.feed(publisher.command("connect", 1.0, None), 0.0)
    assert made.state is State.ENDED


def test_timestamps_go_on_where_rtp_and_rtmp_wrap():
    made, publisher = published()
    out = made.feed(publisher.video(configuration_tag(FILM[0]), 0), 0.0)
    for step in range(-2, 2):
        head = bytes((6,)) + b"\xff\xff\xff" + len(picture_tag(FILM[1])).to_bytes(3, "big") + b"\x09\1\0\0\0"
        out += made.feed(head + struct.pack(">I", step * 40 % 2**32) + picture_tag(FILM[1]), 0.0)
    assert [timestamp for _, timestamp in out] == [2**32 - 7200, 2**32 - 3600, 0, 3600]


def test_time_is_limited():
    made = session()
    made.check(BEGIN_WITHIN_S - 0.01)
    with pytest.raises(Refused) as caught:
        made.check(BEGIN_WITHIN_S)
    assert caught.value.refusal is Refusal.TIMEOUT
    made, publisher = published()
    made.feed(publisher.video(configuration_tag(FILM[0]), 0), 100.0)
    made.check(100 + SILENT_AFTER_S - 0.01)
    with pytest.raises(Refused) as caught:
        made.check(100 + SILENT_AFTER_S)
    assert caught.value.refusal is Refusal.SILENT
    made.feed(publisher.end(), 101.0)
    with pytest.raises(Refused) as caught:
        made.check(101 + SILENT_AFTER_S)
    assert caught.value.refusal is Refusal.ENDED


def test_much_without_a_stream_is_refused_before_it_is_read():
    publisher, made = Publisher(), session()
    made.feed(publisher.hello() + publisher.command("connect", 1.0, {"app": "live"}), 0.0)
    assert refusal(publisher.command("createStream", 2.0, None) * 100_000, made) is Refusal.UNPUBLISHED
    assert len(made.output()) < 3 * UNPUBLISHED_BYTES_MAX
    made, publisher = published()
    made.feed(publisher.end(), 0.0)
    assert refusal(publisher.video(picture_tag(FILM[1]), 0) * 1000, made) is Refusal.UNPUBLISHED


@pytest.mark.parametrize("first", [0, 2, 6, ord("G")])
def test_another_protocol_is_refused_at_its_first_byte(first):
    assert refusal(bytes((first,))) is Refusal.VERSION


@pytest.mark.parametrize(
    ("size", "good"), [(0, False), (1, False), (127, False), (128, True), (65_536, True), (65_537, False)]
)
def test_chunk_sizes(size, good):
    publisher, made = Publisher(), session()
    made.feed(publisher.hello(), 0.0)
    data = publisher.send(2, 1, 0, 0, struct.pack(">I", size))
    assert made.feed(data, 0.0) == [] if good else refusal(data, made) is Refusal.CHUNK_SIZE


@pytest.mark.parametrize("kind", [1, 2, 5])
def test_a_control_message_that_is_too_short(kind):
    publisher = Publisher()
    assert refusal(publisher.hello() + publisher.send(2, kind, 0, 0, b"\0\0\1")) is Refusal.CONTROL


def test_messages_have_a_bound_which_is_small_before_the_key_was_shown():
    publisher, made = Publisher(), session()
    made.feed(publisher.hello(), 0.0)
    head = b"\3\0\0\0" + (rtmp_chunks.UNPUBLISHED_MAX + 1).to_bytes(3, "big")
    assert refusal(head + bytes(200), made) is Refusal.MESSAGE_SIZE
    made, _ = published()
    head = b"\6\0\0\0" + (rtmp_chunks.MESSAGE_MAX + 1).to_bytes(3, "big")
    assert refusal(head + bytes(200), made) is Refusal.MESSAGE_SIZE


def test_what_is_held_of_all_chunk_streams_has_a_bound():
    publisher, made = Publisher(), session()
    made.feed(publisher.hello(), 0.0)
    begun = b"".join(
        bytes((stream,)) + b"\0\0\0" + (rtmp_chunks.UNPUBLISHED_MAX).to_bytes(3, "big") + b"\x14\0\0\0\0" + bytes(128)
        for stream in range(3, 30)
    )
    made.feed(begun, 0.0)
    more = b"".join(bytes((0xC0 | stream,)) + bytes(128) for stream in range(3, 30)) * 9
    assert refusal(more, made) is Refusal.MESSAGE_SIZE


def test_chunk_streams_are_counted():
    publisher, made = Publisher(), session()
    made.feed(publisher.hello(), 0.0)
    many = b"".join(b"\0" + bytes((n,)) + b"\0\0\0\0\0\0\x08\0\0\0\0" for n in range(rtmp_chunks.STREAMS_MAX + 1))
    assert refusal(many, made) is Refusal.CHUNK_STREAMS


def test_empty_messages_without_end_are_refused():
    """A quarter of a megabyte of them would take half a second from the other sources."""
    made, publisher = published()
    made.feed(publisher.send(4, 8, 1, 0, b""), 0.0)
    assert refusal(b"\xc4" * (1 << 18), made) is Refusal.CHUNKS


@pytest.mark.parametrize("data", [b"\x83\0\0\0", b"\xc3", b"\3\0\0\0\0\0\xff\x14\0\0\0\0" + bytes(128) + b"\3\0\0\0"])
def test_a_chunk_that_does_not_fit_those_before_it(data):
    publisher = Publisher()
    assert refusal(publisher.hello() + data) is Refusal.CHUNK_HEADER


def test_an_abandoned_message_is_forgotten():
    made, publisher = published(chunk_size=128)
    long = publisher.video(picture_tag(FILM[0]), 0)[:140]
    abort = publisher.send(2, 2, 0, 0, struct.pack(">I", 6))
    out = [picture for data in (long, abort, *publisher.pictures(FILM)) for picture in made.feed(data, 0.0)]
    assert [u.nals for u, _ in out] == [u.nals for u in FILM]
    made.feed(publisher.send(2, 2, 0, 0, struct.pack(">I", 60)), 0.0)


def test_it_acknowledges_and_answers_pings():
    made, publisher = published(chunk_size=65_536)
    made.feed(publisher.send(2, USER_CONTROL, 0, 0, b"\0\6\1\2\3\4"), 0.0)
    assert made.output() == bytes.fromhex("02 000000 000006 04 00000000 0007 01020304")
    sent = 0
    while sent < ACKNOWLEDGE_AFTER:
        data = publisher.send(4, 8, 1, 0, bytes(60_000))
        sent += len(data)
        made.feed(data, 0.0)
    assert made.output()[7] == ACKNOWLEDGEMENT
    made.feed(publisher.send(2, 5, 0, 0, struct.pack(">I", 1)), 0.0)
    made.feed(publisher.send(4, 8, 1, 0, bytes(60_000)) * 2, 0.0)
    assert made.output()[7] == ACKNOWLEDGEMENT


@pytest.mark.parametrize("repeated", [True, False])
@pytest.mark.parametrize("extended", [2**32 - 117, 0x0100_0000, 5])
def test_an_extended_timestamp_is_repeated_in_each_chunk_or_not(repeated, extended):
    """DJI Fly starts below zero, and librtmp does not repeat it; both have ended connections to other servers."""
    made, publisher = published(chunk_size=128)
    made.feed(publisher.video(configuration_tag(FILM[0]), 0), 0.0)
    tag, value = picture_tag(FILM[0]), struct.pack(">I", extended)
    again = b"\xc6" + (value if repeated else b"")
    chunks = again.join(tag[at : at + 128] for at in range(0, len(tag), 128))
    message = b"\6\xff\xff\xff" + len(tag).to_bytes(3, "big") + b"\x09\1\0\0\0" + value + chunks
    later = (
        b"\x46\0\0\x28"
        + len(tag).to_bytes(3, "big")
        + b"\x09"
        + b"\xc6".join(tag[at : at + 128] for at in range(0, len(tag), 128))
    )
    for size in (1, 100, len(message)):
        out = [p for at in range(0, len(message), size) for p in made.feed(message[at : at + size], 0.0)]
        assert [(u.nals, t) for u, t in out] == [(FILM[0].nals, extended * 90 % 2**32)]
    assert [(u.nals, t) for u, t in made.feed(later, 0.0)] == [(FILM[0].nals, (extended + 40) * 90 % 2**32)]


def test_relative_timestamps():
    """Formats 1 to 3 of a chunk's header: how a message differs from the one before."""
    made, publisher = published()
    made.feed(publisher.video(configuration_tag(FILM[0]), 0), 0.0)
    tag = picture_tag(FILM[1])
    size = len(tag).to_bytes(3, "big")
    stream = (
        b"\6\0\0\x64" + size + b"\x09\1\0\0\0" + tag,  # 100
        b"\x46\0\0\x28" + size + b"\x09" + tag,  # + 40
        b"\x86\0\0\x14" + tag,  # + 20
        b"\xc6" + tag,  # the same again
    )
    assert [t // 90 for part in stream for _, t in made.feed(part, 0.0)] == [100, 140, 160, 180]


@pytest.mark.parametrize("seed", range(5))
def test_random_cuts(seed):
    rng = random.Random(seed)
    publisher = Publisher(rng.choice((128, 4096, 65_536)))
    stream = publisher.hello() + publisher.begin() + b"".join(publisher.pictures(FILM))
    cuts = sorted(rng.sample(range(len(stream)), 300))
    made = session()
    out = [u.nals for a, b in zip((0, *cuts), (*cuts, len(stream)), strict=True) for u, _ in made.feed(stream[a:b], 0.0)]
    assert out == [unit.nals for unit in FILM]
