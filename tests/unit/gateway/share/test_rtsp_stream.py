"""A stream as its readers get it: renumbered, continued over restarts, and with the packets since the last key picture."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import chain, pairwise

import pytest

from gateway.demo.clip import CLIP, FPS, pictures
from gateway.share import rtcp
from gateway.share.rtsp_describe import MPEG_TS, described
from gateway.share.rtsp_session import Place
from gateway.share.rtsp_stream import APART, FORM_KNOWN_AFTER, KEPT_SIZE_MAX, SETS_WITHIN, UNFIT_AFTER, Stream
from gateway.video import rtp, sdp
from gateway.video.depacketiser import Depacketiser
from gateway.video.packetiser import Packetiser
from gateway.video.recognise import Content
from gateway.video.rtp import CLOCK_HZ, PAYLOAD_TYPE, SEQUENCES, TIMESTAMPS
from gateway.video.ts import PACKET_SIZE
from gateway.video.ts_demux import TsDemux
from gateway.video.ts_mux import TsMux
from tests.films import joined
from tests.hostile.media import NALS

FILM = pictures(CLIP.read_bytes())
BEGINS_US = 1_700_000_000_000_000
PERIOD_US = 1_000_000 // FPS
PLACE = Place("uav 1", "a")


def stream(seed: int = 1) -> Stream:
    return Stream(PLACE, random.Random(seed).getrandbits)


def packets_of(
    ssrc: int = 9, first: int = SEQUENCES - 5, began: int = TIMESTAMPS - 9000, codec: str = "h264"
) -> list[list[bytes]]:
    """Of each picture of the film."""
    packetiser = Packetiser("h264", ssrc, first)
    return [packetiser.packets(unit, began + place * CLOCK_HZ // FPS) for place, unit in enumerate(FILM)]


def fed(to: Stream, film: Iterable[list[bytes]], session: str = "s", begins_us: int = BEGINS_US) -> list[bytes]:
    out = []
    for place, group in enumerate(film):
        for packet in group:
            out += to.take(packet, session, begins_us + place * PERIOD_US)
    return out


def parsed(packets: Iterable[bytes]) -> list[rtp.Packet]:
    return [rtp.parse(packet) for packet in packets]


def assert_in_order(packets: list[rtp.Packet]) -> None:
    assert all((two.sequence - one.sequence) % SEQUENCES == 1 for one, two in pairwise(packets))
    assert len({packet.ssrc for packet in packets}) == 1


def test_each_packet_comes_with_its_payload_its_marker_and_the_distances_of_its_times():
    film = packets_of()
    made = stream()
    before, after = parsed(list(chain(*film))), parsed(fed(made, film))
    assert [(one.payload, one.marker) for one in before] == [(one.payload, one.marker) for one in after]
    shift = {(two.timestamp - one.timestamp) % TIMESTAMPS for one, two in zip(before, after, strict=True)}
    assert len(shift) == 1
    assert_in_order(after)
    assert {one.payload_type for one in after} == {PAYLOAD_TYPE}
    assert after[0].ssrc == made.ssrc != 9
    assert made.pictures == len(FILM)


def test_what_was_lost_on_the_way_stays_lost_and_what_came_late_stays_late():
    film = list(chain(*packets_of()))
    kept = [*film[:20], *film[22:30], film[31], film[30], *film[32:]]
    before, after = parsed(kept), parsed(fed(stream(), [kept]))
    assert {(two.sequence - one.sequence) % SEQUENCES for one, two in zip(before, after, strict=True)} == {
        (after[0].sequence - before[0].sequence) % SEQUENCES
    }


def test_an_aircraft_that_starts_again_goes_on_in_the_same_stream():
    made = stream()
    first = fed(made, packets_of())
    gap_us = len(FILM) * PERIOD_US + 3_000_000
    second = fed(made, packets_of(ssrc=77, first=3, began=5), "t", BEGINS_US + gap_us)
    third = fed(made, packets_of(ssrc=77, first=3, began=5), "u", BEGINS_US + 2 * gap_us)
    assert_in_order(parsed(first + second + third))
    last, then = parsed(first)[-1], parsed(second)[0]
    since_us = gap_us - (len(FILM) - 1) * PERIOD_US
    assert (then.timestamp - last.timestamp) % TIMESTAMPS == round(since_us * CLOCK_HZ / 1e6)


def test_a_new_reader_gets_the_pictures_since_the_last_key_picture_pressed_together():
    made = stream()
    film = packets_of()
    keys = [place for place, unit in enumerate(FILM) if unit.key]
    stop = keys[-1] + 6
    live = fed(made, film[:stop])
    first = made.since_key()
    wanted = list(chain(*film[keys[-1] : stop]))
    assert [one.payload for one in parsed(first)] == [one.payload for one in parsed(wanted)]
    assert [one.sequence for one in parsed(first)] == [one.sequence for one in parsed(live[-len(wanted) :])]
    stamps = list(dict.fromkeys(one.timestamp for one in parsed(first)))
    assert {(two - one) % TIMESTAMPS for one, two in pairwise(stamps)} == {APART}
    assert stamps[-1] == parsed(live)[-1].timestamp
    begins = made.first(first)
    assert (begins.sequence, begins.timestamp) == (parsed(first)[0].sequence, parsed(first)[0].timestamp)
    reader = Depacketiser("h264")
    found = [unit for packet in first for unit, _ in reader.feed(packet, 0.0)]
    assert [unit.nals for unit in found] == [unit.nals for unit in FILM[keys[-1] : stop]]
    assert not reader.lost


def test_without_a_key_picture_it_begins_with_what_comes_next():
    made = stream()
    keys = [place for place, unit in enumerate(FILM) if unit.key]
    live = fed(made, packets_of()[keys[0] + 1 : keys[1]])
    assert live
    assert made.since_key() == []
    begins = made.first([])
    assert begins.sequence == (parsed(live)[-1].sequence + 1) % SEQUENCES


def test_what_is_kept_is_bounded_and_a_later_key_picture_is_kept_again():
    made = stream()
    fed(made, packets_of())
    for number in range(KEPT_SIZE_MAX // 1000 + 100):
        packet = rtp.Packet(96, False, number % SEQUENCES, 5, 1234, b"\x41" + bytes(1200))
        made.take(rtp.make(packet), "v", BEGINS_US)
        assert made._kept_size <= KEPT_SIZE_MAX + 2000
    assert made.since_key() == []
    fed(made, packets_of(ssrc=5))
    assert made.since_key()


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_the_description_has_the_parameter_sets(codec):
    content = Content.H264 if codec == "h264" else Content.H265
    text = described(content, NALS[codec][: 2 if codec == "h264" else 3], "uav 1/a", 7)
    found = sdp.read(text)
    assert (found.codec, found.payload_type) == (codec, PAYLOAD_TYPE)
    assert found.sets == NALS[codec][: 2 if codec == "h264" else 3]
    if codec == "h264":
        assert "packetization-mode=1;profile-level-id=42001f;" in text


def test_the_description_of_a_stream_is_that_of_what_came():
    made = stream()
    film = packets_of()
    assert made.description() is None
    fed(made, film)
    found = sdp.read(made.description())
    assert found.sets == [nal for nal in FILM[0].nals if nal[0] & 31 in (7, 8)]


def test_a_stream_is_described_when_its_parameter_sets_came_or_seem_not_to_come():
    film = packets_of()
    keys = [place for place, unit in enumerate(FILM) if unit.key]
    made = stream()
    fed(made, film[1 : keys[1]])
    assert made.content is Content.H264
    assert made.description() is None
    fed(made, film[keys[1] : keys[1] + 2])
    assert "sprop-parameter-sets" in made.description()
    without = stream()
    packetiser = Packetiser("h264", 3, 0)
    for number in range(SETS_WITHIN):
        assert without.description() is None
        for packet in packetiser.packets(FILM[1], number * 3600):
            without.take(packet, "s", BEGINS_US)
    without.take(packetiser.packets(FILM[1], 0)[0], "s", BEGINS_US)
    assert "sprop" not in without.description()


def test_a_name_with_line_ends_adds_no_line_to_a_description():
    text = described(Content.MPEG_TS, [], "a\r\nm=audio 1 RTP/AVP 0", 7)
    assert text.count("\r\nm=") == 1
    assert f"RTP/AVP {MPEG_TS}" in text


def transported() -> list[bytes]:
    """Datagrams of MPEG-TS with the film."""
    mux = TsMux("h264")
    out = []
    for place, unit in enumerate(FILM):
        data = mux.picture(joined(unit.nals, b"\0\0\0\1"), unit.key, place * CLOCK_HZ // FPS, place * CLOCK_HZ // FPS)
        tables = 2 * PACKET_SIZE if unit.key else 0  # in a datagram of their own, as some cameras send them
        out += [data[:tables]] if tables else []
        out += [data[at : at + 1128] for at in range(tables, len(data), 1128)]
    return out


@pytest.mark.parametrize("with_header", [False, True])
def test_mpeg_ts_passes_and_a_new_reader_can_begin_with_its_tables(with_header):
    datagrams = transported()
    if with_header:
        datagrams = [rtp.make(rtp.Packet(33, False, place, place * 90, 4, data)) for place, data in enumerate(datagrams)]
    made = stream()
    cut = len(datagrams) * 2 // 3
    live = parsed(fed(made, [[data] for data in datagrams[:cut]]))
    assert made.content is Content.MPEG_TS
    assert [one.payload for one in live] == [one.payload for one in parsed(datagrams[:cut])] if with_header else True
    assert b"".join(one.payload for one in live) == b"".join(transported()[:cut])
    assert {one.payload_type for one in live} == {MPEG_TS}
    assert_in_order(live)
    first = parsed(made.since_key())
    demux = TsDemux()
    found = [timed for one in first for timed in demux.feed(one.payload, 0.0)]
    assert found[0].unit.key
    whole = TsDemux()
    every = [timed for one in live for timed in whole.feed(one.payload, 0.0)]
    last = max(place for place, timed in enumerate(every) if timed.unit.key)
    assert len(found) >= len(every) - last


def test_reports_within_a_stream_and_other_payloads_are_not_passed_on():
    made = stream()
    film = list(chain(*packets_of()))
    fed(made, [film[:50]])
    for other in (
        rtcp.sender_report(9, BEGINS_US, 0, 0, 0),
        rtp.make(rtp.Packet(97, False, 1, 1, 1, b"sound")),
        b"",
        b"\x80",
    ):
        assert made.take(other, "s", BEGINS_US) == []
    assert made.take(film[50], "s", BEGINS_US)


def test_a_lane_that_changes_its_form_becomes_another_stream():
    made = stream()
    fed(made, packets_of())
    before = made.ssrc
    fed(made, [[data] for data in transported() for _ in range(2)][: UNFIT_AFTER + 1])
    assert made.content is None
    fed(made, [[data] for data in transported()[:FORM_KNOWN_AFTER]])
    assert made.content is Content.MPEG_TS
    assert made.ssrc != before


def test_what_no_reader_knows_is_said_to_be_so():
    made = stream()
    assert fed(made, [[bytes(60)] for _ in range(FORM_KNOWN_AFTER)]) == []
    assert made.unshared
    fed(made, packets_of())
    assert not made.unshared
    assert made.content is Content.H264


def test_the_time_of_the_newest_picture_is_that_at_which_its_first_packet_came():
    made = stream()
    live = parsed(fed(made, packets_of()))
    assert made.newest == (BEGINS_US + (len(FILM) - 1) * PERIOD_US, live[-1].timestamp)


def test_a_report_has_the_time_of_rfc_3550():
    report = rtcp.sender_report(0x01020304, 1_000_500_000, 9000, 10, 12_000)
    assert report[:8] == bytes.fromhex("80c80006 01020304")
    assert int.from_bytes(report[8:12], "big") == 2_208_988_800 + 1000
    assert int.from_bytes(report[12:16], "big") == 1 << 31
    assert [int.from_bytes(report[at : at + 4], "big") for at in (16, 20, 24)] == [9000, 10, 12_000]
    name = report[28:]
    assert name[:2] == bytes.fromhex("81ca")
    assert len(name) == 4 * (int.from_bytes(name[2:4], "big") + 1)
    assert name[8:15] == b"\1\5zegel"
    assert not any(name[15:])
    assert rtcp.goodbye(0x01020304, 0, 0, 0, 0)[-8:] == bytes.fromhex("81cb0001 01020304")
