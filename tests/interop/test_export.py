"""An export, read by other people's programs: ffprobe and ffmpeg the films, tshark the pcaps, with streams of ffmpeg."""

from __future__ import annotations

import functools
import json
import shutil
import socket
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import pytest
from pymavlink.dialects.v20 import ardupilotmega
from pymavlink.generator import mavgen

from firmware_shims import mavlink, tlog
from gateway.demo.flight import recorded_flight
from gateway.demo.stage import HOST, drain, port_of, udp_socket
from gateway.recording.export import film
from gateway.recording.group import Port
from gateway.recording.pcap import Record
from tests import films
from tests.exported import derived, originals, video
from tests.system.filmed import FilmedFlight
from tests.system.house import zegel

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(not films.encoders(), reason="needs ffmpeg and ffprobe (apt-get install ffmpeg)"),
]
NAMES = [name for name in films.ENCODERS if films.can(name)]
SHOT = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.soak if "slices" in name else ()) for name in NAMES]
)
BEGAN_NS = 40_000_000_000


@functools.cache
def shot(name: str, folder: Path) -> Path:
    """The film as an encoder makes it, with its times."""
    path = folder / f"{name.replace(' ', '-')}.ts"
    picture = ("-f", "lavfi", "-i", f"testsrc2=size=640x360:rate={films.FPS}", "-frames:v", str(films.PICTURES))
    subprocess.run((*films.FFMPEG, *picture, *films.ENCODERS[name][1], "-preset", "ultrafast", path), check=True)
    return path


def sent(path: Path, form: str, url: str) -> list[Record]:
    """What ffmpeg sends of it, at its own pace."""
    rtp, rtcp = udp_socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with rtp, rtcp:
        words = ("-re", "-i", path, "-map", "0:v", "-c", "copy", "-f", form, url.format(HOST=HOST, port=port_of(rtp)))
        process, began = subprocess.Popen((*films.FFMPEG, *words), stdout=subprocess.DEVNULL), time.monotonic()
        got: list[tuple[float, bytes]] = []
        while process.poll() is None:
            time.sleep(0.005)
            got += [(time.monotonic() - began, data) for data in drain(rtp)]
        got += [(time.monotonic() - began, data) for data in drain(rtp)]
    assert process.returncode == 0
    return [record._replace(time_ns=record.time_ns + BEGAN_NS) for record in video(got)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("films")


def probed(path: Path) -> dict:
    words = ("ffprobe", "-loglevel", "error", "-count_frames", "-select_streams", "v", "-show_streams", "-show_packets")
    return json.loads(subprocess.run((*words, "-of", "json", path), capture_output=True, check=True).stdout)


def decoded(path: Path) -> list[str]:
    """MD5 of each picture that is shown."""
    run = subprocess.run((*films.FFMPEG, "-i", path, "-f", "framemd5", "-"), capture_output=True, text=True, check=True)
    return [line.rsplit(",", 1)[1].strip() for line in run.stdout.splitlines() if line[0] != "#"]


def stamps(path: Path) -> list[float]:
    return sorted(float(packet["pts_time"]) for packet in probed(path)["packets"])


@pytest.fixture(params=["PyAV", "ffmpeg"])
def writer(request, monkeypatch):
    if request.param == "PyAV":
        pytest.importorskip("av", reason="needs PyAV (pip install av)")
    monkeypatch.setattr(film, "writer", lambda: request.param)


@SHOT
def test_a_film_out_of_rtp_has_each_picture_at_its_time(name, folder, tmp_path, writer):
    source = shot(name, folder)
    records = sent(source, "rtp", "rtp://{HOST}:{port}?pkt_size=1200")
    derived(tmp_path, originals(tmp_path, {"video-a": records}))
    shown = probed(tmp_path / "video-a.mp4")
    assert int(shown["streams"][0]["nb_read_frames"]) == films.PICTURES
    assert decoded(tmp_path / "video-a.mp4") == decoded(source)
    at, original = stamps(tmp_path / "video-a.mp4"), stamps(source)
    assert at[0] == 0.0
    assert [round(90_000 * each) for each in at] == [round(90_000 * (each - original[0])) for each in original]


@SHOT
def test_the_exact_stream_out_of_rtp_is_what_the_encoder_wrote(name, folder, tmp_path):
    codec, source = films.ENCODERS[name][0], shot(name, folder)
    derived(tmp_path, originals(tmp_path, {"video-a": sent(source, "rtp", "rtp://{HOST}:{port}?pkt_size=1200")}))
    words = (*films.FFMPEG, "-i", source, "-c", "copy", "-f", "hevc" if codec == "h265" else "h264", "-")
    written = subprocess.run(words, capture_output=True, check=True).stdout
    ours = (tmp_path / f"video-a.{codec}").read_bytes()
    assert [unit.nals for unit in films.units(ours, codec)] == [unit.nals for unit in films.units(written, codec)]


@SHOT
def test_mpeg_ts_is_kept_byte_by_byte_and_made_a_film(name, folder, tmp_path, writer):
    source = shot(name, folder)
    records = sent(source, "mpegts", "udp://{HOST}:{port}?pkt_size=1316")
    derived(tmp_path, originals(tmp_path, {"video-a": records}))
    assert (tmp_path / "video-a.ts").read_bytes() == b"".join(record.content for record in records)
    assert decoded(tmp_path / "video-a.mp4") == decoded(source)
    assert int(probed(tmp_path / "video-a.mp4")["streams"][0]["nb_read_frames"]) == films.PICTURES


def test_loss_in_the_middle_leaves_a_film(folder, tmp_path, writer):
    records = sent(shot(NAMES[0], folder), "rtp", "rtp://{HOST}:{port}?pkt_size=1200")
    place = len(records) // 2
    derived(tmp_path, originals(tmp_path, {"video-a": records[:place] + records[place + 3 :]}))
    shown = int(probed(tmp_path / "video-a.mp4")["streams"][0]["nb_read_frames"])
    assert films.PICTURES - 4 <= shown <= films.PICTURES
    assert "3 packets did not reach the gateway aboard" in (tmp_path / "README.txt").read_text()


def test_a_pause_stays_as_long_as_it_was(folder, tmp_path, writer):
    """The timestamps of the encoder began at another value, too."""
    first = sent(shot(NAMES[0], folder), "rtp", "rtp://{HOST}:{port}?pkt_size=1200")
    again = sent(shot(NAMES[0], folder), "rtp", "rtp://{HOST}:{port}?pkt_size=1200")
    late_ns = 60_000_000_000
    records = [*first, *(record._replace(time_ns=record.time_ns + late_ns) for record in again)]
    derived(tmp_path, originals(tmp_path, {"video-a": records}))
    shown = stamps(tmp_path / "video-a.mp4")
    assert len(shown) == 2 * films.PICTURES
    apart = again[0].time_ns + late_ns - first[0].time_ns
    assert abs(shown[films.PICTURES] - shown[0] - apart / 1e9) < 0.001


# --- a card that an aircraft wrote ---


class Filmed:
    """Encoders' streams through an aircraft and its recorder: H.265 by RTP as video A, H.264 in MPEG-TS as camera C."""

    def __init__(self, folder: Path) -> None:
        self.out, self.sources = folder / "out", {"video-a": shot("h265 B", folder), "camera-c": shot("h264 B", folder)}
        flight = FilmedFlight(folder, films=False)
        try:
            flight.wait_open()
            flight.wait_recorded("flight")
            self.send(flight, "video-a", "rtp", f"rtp://{HOST}:{flight.camera_port}?pkt_size=1200")
            self.send(flight, "camera-c", "mpegts", f"udp://{HOST}:{flight.only_recorded_port}?pkt_size=1316")
        finally:
            flight.end()
        flight.ended()
        zegel("recording", "export", flight.card, "--key", folder / "archive", "-o", self.out)

    def send(self, flight: FilmedFlight, lane: str, form: str, url: str) -> None:
        words = ("-re", "-i", self.sources[lane], "-map", "0:v", "-c", "copy", "-f", form, url)
        process = subprocess.Popen((*films.FFMPEG, *words), stdout=subprocess.DEVNULL)
        assert flight.until(lambda: process.poll() is not None)
        flight.run(0.5)
        assert process.returncode == 0


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    if not (films.can("h265 B") and films.can("h264 B")):
        pytest.skip("needs an ffmpeg with libx264 and libx265")
    folder = tmp_path_factory.mktemp("filmed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        return Filmed(folder)


@pytest.mark.parametrize("lane", ["video-a", "camera-c"])
def test_each_picture_of_an_encoder_is_in_the_film_of_the_card(filmed, lane):
    film = filmed.out / f"{lane}.mp4"
    assert int(probed(film)["streams"][0]["nb_read_frames"]) == films.PICTURES
    assert decoded(film) == decoded(filmed.sources[lane])


def test_tshark_reads_what_an_aircraft_recorded(filmed, tmp_path):
    rtp = sharked(
        filmed.out / "video-a.pcap", "-d", "udp.port==5600,rtp", "-T", "fields", "-e", "rtp.ssrc", "-e", "rtp.seq"
    )
    sequences = [int(sequence) for _, sequence in rtp]
    assert len({ssrc for ssrc, _ in rtp}) == 1
    assert all((b - a) % 65_536 == 1 for a, b in pairwise(sequences))
    words = ("-X", f"lua_script:{dissector(tmp_path)}", "-T", "fields", "-e", "mavlink_proto.msgid")
    frames = [frame for _, frame in tlog.frames((filmed.out / "flight.tlog").read_bytes())]
    told = sharked(filmed.out / "flight.pcap", "-Y", "udp.port==14550", *words)
    assert [int(each) for (each,) in told] == [mavlink.message_id(frame) for frame in frames]
    assert len(frames) > 500


# --- tshark ---


def sharked(path: Path, *words: str | Path) -> list[list[str]]:
    if shutil.which("tshark") is None:
        pytest.skip("needs tshark: apt-get install tshark")
    run = subprocess.run(("tshark", "-r", path, *words), capture_output=True, text=True, check=True)
    return [line.split("\t") for line in run.stdout.splitlines()]


def dissector(folder: Path) -> Path:
    """Of pymavlink, for Wireshark."""
    xml = Path(ardupilotmega.__file__).with_name("ardupilotmega.xml")
    script = folder / "mavlink.lua"
    made = mavgen.mavgen(mavgen.Opts(str(script), wire_protocol="2.0", language="WLua", validate=False), [str(xml)])
    assert made is not False
    return script


def test_tshark_reads_the_packets_of_a_camera(folder, tmp_path):
    records = sent(shot(NAMES[0], folder), "rtp", "rtp://{HOST}:{port}?pkt_size=1200")
    originals(tmp_path, {"video-a": records})
    fields = [
        word for name in ("frame.time_epoch", "ip.checksum.status", "rtp.seq", "rtp.timestamp") for word in ("-e", name)
    ]
    words = ("-d", "udp.port==5600,rtp", "-o", "ip.check_checksum:TRUE", "-T", "fields", *fields)
    expected = [
        [
            f"{record.time_ns / 1e9:.9f}",
            "1",
            *(str(int.from_bytes(record.content[a:b], "big")) for a, b in ((2, 4), (4, 8))),
        ]
        for record in records
    ]
    assert sharked(tmp_path / "video-a.pcap", *words) == expected


def test_tshark_reads_the_messages_of_a_flight_by_the_dissector_of_pymavlink(tmp_path):
    script = dissector(tmp_path)
    log = recorded_flight()[:3000]
    records = [Record(round(at * 1e9), Port.TELEMETRY, frame) for at, frame in log]
    originals(tmp_path, {"flight": records})
    words = ("-X", f"lua_script:{script}", "-T", "fields", "-e", "mavlink_proto.msgid", "-e", "mavlink_proto.sequence")
    got = sharked(tmp_path / "flight.pcap", *words)
    assert [[int(each) for each in line] for line in got] == [
        [int.from_bytes(frame[7:10], "little"), frame[4]] for _, frame in log
    ]
