"""Pictures are those of ffprobe, and RTP is that of ffmpeg and GStreamer: unit by unit, to the byte."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from gateway.demo.stage import HOST, port_of, udp_socket
from gateway.video.depacketiser import Depacketiser
from gateway.video.nal import KINDS, kind
from gateway.video.packetiser import Packetiser
from tests import films
from tests.property.seeds import seeds

WITHIN_S = 30
SMALL = 60  # bytes; parameter sets and delimiters have fewer, slices of these films have more
SENDERS = ("h264 B", "h264 4 slices", "h265 B", "h265 4 slices")


@pytest.fixture(params=films.ENCODERS)
def name(request):
    if not films.can(request.param):
        pytest.skip("needs ffmpeg with libx264 and libx265: apt-get install ffmpeg")
    return request.param


@pytest.fixture
def start():
    """Start a program; it ends with the test."""
    with contextlib.ExitStack() as stack:

        def run(*words: str | Path) -> subprocess.Popen[bytes]:
            process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        yield run


@pytest.mark.parametrize("seed", seeds(4, 100))
def test_pictures_are_those_of_ffprobe(name, seed):
    codec = films.ENCODERS[name][0]
    stream = films.joined([nal for unit in films.units(films.film(name), codec) for nal in unit.nals])
    if seed:
        stream = films.damaged(stream, codec, seed)
    ours = films.units(stream, codec)
    assert films.seen_by_us(ours) == films.seen_by_ffprobe(stream, codec)
    if not seed:
        assert len(ours) == films.PICTURES
        slices = sum(len(nal) > 30 for nal in ours[1].nals)
        assert ("4 slices" in name) == (slices == 4)


@pytest.mark.parametrize("seed", range(4))
def test_pictures_pass_rtp_to_the_byte(name, seed):
    codec = films.ENCODERS[name][0]
    stream = films.damaged(films.film(name), codec, seed) if seed else films.film(name)
    packetiser, back = Packetiser(codec, 1, 65_530), Depacketiser(codec)
    sent, got = films.units(stream, codec), []
    for place, unit in enumerate(sent):
        for packet in packetiser.packets(unit, 3600 * place):
            got += back.feed(packet, 0.0)
    carried = [[nal for nal in unit.nals if kind(codec, nal) in KINDS[codec].carried] for unit in sent]
    assert sum(packetiser.damage.values()) == sum(len(unit.nals) for unit in sent) - sum(map(len, carried))
    expected = [(3600 * place, nals) for place, nals in enumerate(carried) if nals]
    for (unit, timestamp), (sent_at, nals) in zip(got, expected, strict=True):
        assert timestamp == sent_at
        added = len(unit.nals) - len(nals)
        assert not added or unit.key, "parameter sets are repeated before a key picture"
        assert [nal for nal in unit.nals if not added or kind(codec, nal) not in KINDS[codec].parameters] == [
            nal for nal in nals if not added or kind(codec, nal) not in KINDS[codec].parameters
        ]
    assert not back.damage
    assert not back.lost


def pictured(nals: list[bytes]) -> list[bytes]:
    """Without parameter sets and delimiters, which each sender repeats or leaves out, and without the zero of a start code.

    ffmpeg sends that zero with the unit before it (H.265).
    """
    return [nal.rstrip(b"\0") for nal in nals if len(nal) > SMALL]


@pytest.mark.peers
@pytest.mark.parametrize("sender", SENDERS)
def test_ffmpeg_reads_our_packets(sender, start, tmp_path):
    if not films.can(sender):
        pytest.skip("needs ffmpeg with libx264 and libx265: apt-get install ffmpeg")
    codec = films.ENCODERS[sender][0]
    with udp_socket() as probe:
        port = port_of(probe)
    session, out = tmp_path / "session.sdp", tmp_path / f"out.{codec}"
    session.write_text(
        f"v=0\no=- 0 0 IN IP4 {HOST}\ns=-\nc=IN IP4 {HOST}\nt=0 0\nm=video {port} RTP/AVP 96\n"
        f"a=rtpmap:96 {codec.upper()}/90000\n" + ("a=fmtp:96 packetization-mode=1\n" if codec == "h264" else "")
    )
    program = start(
        *films.FFMPEG, "-protocol_whitelist", "file,udp,rtp", "-i", session, "-c", "copy", "-frames:v", "40", out
    )
    taken = films.units(films.film(sender), codec)
    packetiser, step = Packetiser(codec, 7, 1), 0
    deadline = time.monotonic() + WITHIN_S
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((HOST, port))
        while program.poll() is None and time.monotonic() < deadline:
            for packet in packetiser.packets(taken[step % len(taken)], 3600 * step):
                with contextlib.suppress(ConnectionRefusedError):
                    sock.send(packet)
            step += 1
            time.sleep(0.01)
    assert program.poll() == 0
    got = [nal for unit in films.units(out.read_bytes(), codec) for nal in unit.nals]
    sent = [nal for unit in taken for nal in unit.nals] * (step // len(taken) + 1)
    begin = next(place for place in range(len(sent)) if sent[place : place + 5] == got[:5])
    assert got == sent[begin : begin + len(got)]


@pytest.mark.peers
@pytest.mark.parametrize("sender", SENDERS)
@pytest.mark.parametrize("program", ["ffmpeg", "gst-launch-1.0"])
def test_we_read_the_packets_of_others(sender, program, start, tmp_path):
    if not films.can(sender) or shutil.which(program) is None:
        pytest.skip("needs ffmpeg with libx264 and libx265, and GStreamer: apt-get install ffmpeg gstreamer1.0-tools")
    codec = films.ENCODERS[sender][0]
    path = tmp_path / f"film.{codec}"
    path.write_bytes(films.film(sender))
    sink = udp_socket()
    sink.settimeout(WITHIN_S)
    if program == "ffmpeg":
        url = f"rtp://{HOST}:{port_of(sink)}?pkt_size=1200"
        start(
            *films.FFMPEG, "-re", "-f", {"h264": "h264", "h265": "hevc"}[codec], "-i", path, "-c", "copy", "-f", "rtp", url
        )
    else:
        parse = f"filesrc location={path} ! {codec}parse ! rtp{codec}pay mtu=1200 pt=96"
        aggregated = " aggregate-mode=zero-latency"
        start(program, "-q", *f"{parse}{aggregated} ! udpsink host={HOST} port={port_of(sink)} sync=true".split())
    back, got = Depacketiser(codec), []
    while len(got) < films.PICTURES - 2:
        got += back.feed(sink.recv(65536), 0.0)
    sink.close()
    sent = [pictured(unit.nals) for unit in films.units(films.film(sender), codec)]
    assert [pictured(unit.nals) for unit, _ in got] == sent[: len(got)]
    assert not back.damage
    assert not back.lost
