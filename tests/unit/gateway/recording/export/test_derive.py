"""What is made from the pcaps of a flight: every frame, every position and every picture of them, and nothing else."""

from __future__ import annotations

import hashlib
import json
import struct
import subprocess
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from pymavlink import mavutil
from pymavlink.dialects.v20 import ardupilotmega as v2

from firmware_shims import tlog
from gateway.demo.clip import CLIP, pictures
from gateway.demo.flight import recorded_flight
from gateway.recording.export import film
from gateway.recording.group import Port
from gateway.recording.pcap import Record
from gateway.video.packetiser import Packetiser
from gateway.video.stream_pictures import StreamPictures
from tests import guarded
from tests.exported import BEGAN_US, derived, originals, video
from tests.films import joined

LOG = recorded_flight()[:12_000]
FILM = pictures(CLIP.read_bytes())[:75]
SENT = [
    (10 + place / 25 + part / 10_000, packet)
    for packetiser in [Packetiser("h264", 1, 65_500)]
    for place, unit in enumerate(FILM)
    for part, packet in enumerate(packetiser.packets(unit, 4_294_900_000 + 3600 * place))
]
STREAM = b"".join(joined(unit.nals, b"\0\0\0\1") for unit in FILM)


def flight() -> list[Record]:
    return [Record(round(time * 1e9) + 1_000_000_000, Port.TELEMETRY, frame) for time, frame in LOG]


def utc(time_ns: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=BEGAN_US + time_ns // 1000)


@pytest.fixture
def no_film(monkeypatch):
    """A computer with no program that writes films."""
    monkeypatch.setattr(film, "writer", lambda: "")


def test_every_frame_is_in_the_log_with_its_time(tmp_path):
    derived(tmp_path, originals(tmp_path, {"flight": flight()}))
    got = list(tlog.frames((tmp_path / "flight.tlog").read_bytes()))
    assert [frame for _, frame in got] == [record.content for record in flight()]
    assert [round(time * 1e6) for time, _ in got] == [BEGAN_US + record.time_ns // 1000 for record in flight()]


def test_pymavlink_reads_the_log(tmp_path):
    derived(tmp_path, originals(tmp_path, {"flight": flight()}))
    log = mavutil.mavlink_connection(str(tmp_path / "flight.tlog"), dialect="ardupilotmega")
    count = 0
    while (message := log.recv_match()) is not None:
        assert message.get_type() != "BAD_DATA"
        assert bytes(message.get_msgbuf()) == LOG[count][1]
        count += 1
    assert count == len(LOG)


def positions() -> list[tuple[int, v2.MAVLink_global_position_int_message]]:
    parser = v2.MAVLink(None)
    found = []
    for record in flight():
        message = parser.decode(bytearray(record.content))
        if message.get_type() == "GLOBAL_POSITION_INT" and (message.lat or message.lon):
            found.append((record.time_ns, message))
    return found


def test_the_track_is_each_position_of_the_autopilot(tmp_path):
    derived(tmp_path, originals(tmp_path, {"flight": flight()}))
    expected = [(m.lat / 1e7, m.lon / 1e7, m.alt / 1e3) for _, m in positions()]
    assert len(expected) > 100
    points = ET.parse(tmp_path / "track.gpx").getroot().findall(".//{*}trkpt")  # noqa: S314 - our own
    assert [(float(p.get("lat")), float(p.get("lon")), float(p.find("{*}ele").text)) for p in points] == expected
    times = [datetime.fromisoformat(point.find("{*}time").text) for point in points]
    assert all(abs(time - utc(at)) <= timedelta(milliseconds=1) for time, (at, _) in zip(times, positions(), strict=True))
    (line,) = ET.parse(tmp_path / "track.kml").getroot().iterfind(".//{*}coordinates")  # noqa: S314 - our own
    assert [tuple(map(float, point.split(","))) for point in line.text.split()] == [(b, a, c) for a, b, c in expected]


def test_signatures_are_left_out_and_commands_are_in_the_log(tmp_path):
    signed, plain = (guarded.framed(0, bytes(9), 50, flags=flags) for flags in (1, 0))
    command = guarded.command("DO_SET_MODE", 1)
    records = [Record(1, Port.TELEMETRY, signed), Record(2, Port.UPLINK, command), Record(3, Port.TELEMETRY, b"\xfd123")]
    derived(tmp_path, originals(tmp_path, {"flight": records}))
    assert [frame for _, frame in tlog.frames((tmp_path / "flight.tlog").read_bytes())] == [plain, command]
    told = (tmp_path / "README.txt").read_text()
    assert "2 MAVLink frames; 1 are accepted commands" in told
    assert "1 signature left out" in told
    assert "1 record with neither a MAVLink frame nor an event" in told


def test_events(tmp_path):
    events = [
        b'{"event": "rekey", "epoch": 2}',
        b'{"event": "pause", "station": 1, "time": "forged"}',
        b"[]",
        b"{",
        b"[" * 60_000,
    ]
    records = [Record(second * 10**9, Port.EVENT, event) for second, event in enumerate(events, 1)]
    derived(tmp_path, originals(tmp_path, {"flight": records}))
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["rekey", "pause"]
    assert [datetime.fromisoformat(line["time"]) for line in lines] == [utc(10**9), utc(2 * 10**9)]
    assert "3 records with neither a MAVLink frame nor an event" in (tmp_path / "README.txt").read_text()


def test_the_exact_stream_out_of_rtp(tmp_path, no_film):
    names = derived(tmp_path, originals(tmp_path, {"video-a": video(SENT)}))
    assert names == ["README.txt", "SHA256SUMS", "video-a.h264", "video-a.pcap"]
    assert (tmp_path / "video-a.h264").read_bytes() == STREAM
    assert "there is no video-a.mp4: neither PyAV" in (tmp_path / "README.txt").read_text()


def test_loss_in_the_middle_costs_what_was_lost(tmp_path, no_film):
    lost = next(at for at, (_, packet) in enumerate(SENT) if at > 50 and not packet[1] & 0x80)
    derived(tmp_path, originals(tmp_path, {"video-a": video(SENT[:lost] + SENT[lost + 1 :])}))
    got = (tmp_path / "video-a.h264").read_bytes()
    assert len(STREAM) - 40_000 < len(got) < len(STREAM)
    assert "1 packet did not reach the gateway aboard" in (tmp_path / "README.txt").read_text()


@pytest.mark.skipif(not film.writer(), reason="neither PyAV nor ffmpeg is on this computer")
def test_a_film_and_its_subtitles(tmp_path):
    names = derived(tmp_path, originals(tmp_path, {"flight": flight(), "video-a": video(SENT)}))
    assert {"video-a.mp4", "video-a.srt", "flight.tlog"} <= set(names)
    assert not [name for name in names if name.startswith(".") or name.endswith(".part")]
    blocks = (tmp_path / "video-a.srt").read_text().strip().split("\n\n")
    assert len(blocks) == 3
    number, span, when, *where = blocks[1].split("\n")
    assert (number, span) == ("2", "00:00:01,000 --> 00:00:02,000")
    assert when == f"{utc(11_000_000_000):%Y-%m-%d %H:%M:%S} UTC (+00:11)"
    at = [m for time, m in positions() if time <= 11_500_000_000][-1] if positions()[0][0] < 11_500_000_000 else None
    assert bool(where) == bool(at)


def test_the_sums_verify(tmp_path, no_film):
    derived(tmp_path, originals(tmp_path, {"flight": flight()[:100], "video-a": video(SENT)}))
    lines = dict(reversed(line.split("  ")) for line in (tmp_path / "SHA256SUMS").read_text().splitlines())
    assert set(lines) == {path.name for path in tmp_path.iterdir()} - {"SHA256SUMS"}
    assert all(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == told for name, told in lines.items())
    assert subprocess.run(["sha256sum", "-c", "--strict", "SHA256SUMS"], cwd=tmp_path, check=False).returncode == 0


def test_without_a_claimed_time_that_of_the_flight_controller_counts(tmp_path):
    payload = struct.pack("<QI", BEGAN_US + 5_000_000, 77)
    records = [Record(5 * 10**9, Port.TELEMETRY, guarded.framed(2, payload, 137)), *flight()[:5]]
    plan = originals(tmp_path, {"flight": records})
    plan.claims.clear()
    derived(tmp_path, plan)
    first, _ = next(tlog.frames((tmp_path / "flight.tlog").read_bytes()))
    assert round(first * 1e6) == BEGAN_US + 5_000_000
    assert "SYSTEM_TIME of the flight controller" in (tmp_path / "README.txt").read_text()


def test_without_any_time_the_session_begins_in_1970_and_that_is_said(tmp_path):
    plan = originals(tmp_path, {"flight": [Record(5 * 10**9, Port.TELEMETRY, guarded.frame("HEARTBEAT"))]})
    plan.claims.clear()
    derived(tmp_path, plan)
    assert [time for time, _ in tlog.frames((tmp_path / "flight.tlog").read_bytes())] == [5.0]
    assert "the session begins at 1970-01-01 00:00:00" in (tmp_path / "README.txt").read_text()


def test_what_is_no_video_that_is_known_stays_in_its_pcap(tmp_path):
    names = derived(tmp_path, originals(tmp_path, {"video-b": video([(1.0, b"rubbish")]), "camera-c": []}))
    assert names == ["README.txt", "SHA256SUMS", "camera-c.pcap", "video-b.pcap"]
    told = (tmp_path / "README.txt").read_text()
    assert "there is no video-b.mp4: video-b.pcap holds an unknown format" in told
    assert "camera-c: nothing was recorded" in told


def test_a_stream_on_which_this_program_fails_costs_only_what_is_made_of_it(tmp_path, monkeypatch):
    def fails(*_):
        raise KeyError("a fault")

    monkeypatch.setattr(StreamPictures, "feed", fails)
    names = derived(tmp_path, originals(tmp_path, {"flight": flight()[:100], "video-a": video(SENT)}))
    assert not {"video-a.mp4", "video-a.h264", "video-a.h264.part"} & {*names}
    assert {"video-a.pcap", "flight.tlog", "SHA256SUMS"} <= {*names}
    told = (tmp_path / "README.txt").read_text()
    assert "there is no video-a.mp4: this program failed on the stream, at gateway.recording.export.video:" in told


def test_the_log_is_in_the_order_of_the_records():
    assert all(a.time_ns <= b.time_ns for a, b in pairwise(flight()))
