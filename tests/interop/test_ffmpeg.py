"""ffmpeg encodes, sends and decodes; in between the gateway changes nothing: H.264 and H.265 by RTP, MPEG-TS by UDP."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.demo.stage import HOST, drain, port_of, udp_socket
from tests.system.house import Flight

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed"),
]

SHOT, SHOWN = 60, 50  # pictures; a player holds the last ones back until the stream ends, which RTP does not tell
ENCODERS = {
    "H264": ("-c:v", "libx264", "-x264-params", "keyint=25:bframes=0:repeat-headers=1"),
    "H265": ("-c:v", "libx265", "-x265-params", "keyint=25:bframes=0:repeat-headers=1:log-level=error"),
}
Start = Callable[..., subprocess.Popen[bytes]]
FFMPEG = ("ffmpeg", "-nostdin", "-loglevel", "error")


@pytest.fixture(scope="module", params=ENCODERS)
def codec(request):
    encoder = ENCODERS[request.param][1]
    if encoder not in subprocess.run(("ffmpeg", "-encoders"), capture_output=True, text=True, check=True).stdout:
        pytest.skip(f"this ffmpeg has no {encoder}")
    return request.param


@pytest.fixture(scope="module")
def film(codec, tmp_path_factory):
    """A short film as an encoder aboard makes it, kept in MPEG-TS."""
    path = tmp_path_factory.mktemp("film") / f"{codec}.ts"
    picture = ("-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25", "-frames:v", str(SHOT))
    subprocess.run((*FFMPEG, *picture, *ENCODERS[codec], "-preset", "ultrafast", path), check=True)
    return path


@pytest.fixture
def start():
    """Start ffmpeg with these words; it ends with the test."""
    with contextlib.ExitStack() as stack:

        def run(*words: str | Path) -> subprocess.Popen[bytes]:
            process = subprocess.Popen((*FFMPEG, *words), stdout=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        yield run


def rtp_pair() -> tuple[socket.socket, socket.socket]:
    """Two sockets on neighbouring ports, for RTP and RTCP."""
    while True:
        rtp, rtcp = udp_socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with contextlib.suppress(OSError):
            rtcp.bind((HOST, port_of(rtp) + 1))
            return rtp, rtcp
        rtp.close()
        rtcp.close()


class Camera:
    """ffmpeg sending the film at its own pace; `packets` is what it sent, `relay` passes it on to the aircraft."""

    def __init__(self, start: Start, film: Path, url: str, form: str) -> None:
        self.packets: list[bytes] = []
        self._sockets = rtp_pair()
        port = port_of(self._sockets[0])
        self._process = start("-re", "-i", film, "-c", "copy", "-f", form, url.format(HOST=HOST, port=port))

    def relay(self, port: int) -> None:
        for packet in drain(self._sockets[0]):
            self.packets.append(packet)
            self._sockets[0].sendto(packet, (HOST, port))

    def ended(self) -> bool:
        return self._process.poll() is not None

    def close(self) -> None:
        for made in self._sockets:
            made.close()


class Player:
    """ffmpeg as the player of a station: decodes RTP, and writes the MD5 of each picture down."""

    def __init__(self, start: Start, codec: str, folder: Path) -> None:
        rtp, rtcp = rtp_pair()
        with rtp, rtcp:
            self.port = port_of(rtp)
        sdp, self._sums = folder / "played.sdp", folder / "played.md5"
        sdp.write_text(
            f"v=0\no=- 0 0 IN IP4 {HOST}\ns=test\nc=IN IP4 {HOST}\nt=0 0\n"
            f"m=video {self.port} RTP/AVP 96\na=rtpmap:96 {codec}/90000\n"
        )
        source = ("-protocol_whitelist", "file,udp,rtp", "-fpsprobesize", "0", "-i", sdp)
        self._process = start(*source, "-frames:v", str(SHOWN), "-f", "framemd5", self._sums)

    def listens(self) -> bool:
        return f":{self.port:04X} " in Path("/proc/net/udp").read_text()

    def sums(self) -> list[str]:
        """Of all pictures, once they have been shown."""
        assert self._process.wait(20) == 0
        return picture_sums(self._sums.read_text())


def picture_sums(text: str) -> list[str]:
    return [line.rsplit(",", 1)[1].strip() for line in text.splitlines() if line[0] != "#"]


def decoded(path: Path) -> list[str]:
    run = subprocess.run((*FFMPEG, "-i", path, "-f", "framemd5", "-"), capture_output=True, text=True, check=True)
    return picture_sums(run.stdout)


def film_through(flight: Flight, camera: Camera, player: Player | None = None) -> list[bytes]:
    """Show the film; what came out at the station, which must be what went in."""
    station, shown = flight.stations["pilot"], 0

    def step() -> None:
        nonlocal shown
        camera.relay(flight.camera_port)
        for packet in station.packets[shown:] if player else ():
            station.player.sendto(packet, (HOST, player.port))
        shown = len(station.packets)

    flight.step_more = step
    assert flight.until(camera.ended)
    assert flight.until(lambda: len(station.packets) >= len(camera.packets) > SHOT), flight.logs()
    flight.run(0.1)
    flight.step_more = lambda: None
    camera.close()
    assert station.packets == camera.packets
    return station.packets


def test_rtp(fly, start, codec, film, tmp_path):
    flight, player = fly(), Player(start, codec, tmp_path)
    flight.wait_open()
    assert flight.until(player.listens)
    packets = film_through(flight, Camera(start, film, "rtp://{HOST}:{port}?pkt_size=1200", "rtp"), player)
    assert max(map(len, packets)) <= 1200
    assert player.sums() == decoded(film)[:SHOWN]


def test_mpeg_ts(fly, start, film, tmp_path):
    flight, played = fly(), tmp_path / "played.ts"
    flight.wait_open()
    packets = film_through(flight, Camera(start, film, "udp://{HOST}:{port}?pkt_size=1316", "mpegts"))
    played.write_bytes(b"".join(packets))
    assert len(decoded(film)) == SHOT
    assert decoded(played) == decoded(film)
