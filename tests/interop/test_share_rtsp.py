"""Other people's RTSP readers on `zegel share`: what they wrote is what entered, NAL unit by NAL unit.

VLC is not among them: Debian's has no RTSP since 3.0.12 (its live555 is disabled, Debian bug 981439).
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle
from pathlib import Path

import pytest

from gateway.share.rtsp_server import RtspServer
from gateway.share.rtsp_session import Refusal
from gateway.video.annexb import Splitter
from gateway.video.nal import KINDS, AccessUnit, Codec, kind
from gateway.video.packetiser import Packetiser
from gateway.video.ts_demux import TsDemux
from gateway.video.ts_mux import TsMux
from tests import films
from tests.rtsp_client import PASSWORD, USER
from tests.rtsp_stage import DEVICE, published, serving

pytestmark = pytest.mark.peers

FPS = 30
SECONDS, MINUTE = 5, 60
LANES = "ab"
GST_FORM = {
    "h264": "rtph264depay ! video/x-h264,stream-format=byte-stream,alignment=nal",
    "h265": "rtph265depay ! video/x-h265,stream-format=byte-stream,alignment=nal",
    "mpeg-ts": "rtpmp2tdepay",
}
RAW = {"h264": "h264", "h265": "hevc", "mpeg-ts": "mpegts"}
FORMS = tuple(RAW)
WITH_GST = shutil.which("gst-launch-1.0")


def film(form: str) -> list[AccessUnit]:
    codec: Codec = "h265" if form == "h265" else "h264"
    return films.units(films.film(codec), codec)


def datagrams(form: str, units: Iterable[AccessUnit]) -> Iterator[list[bytes]]:
    """What a camera sends for each picture."""
    packetiser = Packetiser("h265" if form == "h265" else "h264", 1, 65_000)
    mux = TsMux("h264")
    for place, unit in enumerate(units):
        stamp = place * 90_000 // FPS
        if form != "mpeg-ts":
            yield packetiser.packets(unit, stamp)
        else:
            data = mux.picture(films.joined(unit.nals, b"\0\0\0\1"), unit.key, stamp, stamp)
            yield [data[at : at + 1128] for at in range(0, len(data), 1128)]


def slices(units: Iterable[AccessUnit]) -> list[bytes]:
    return [nal for unit in units for nal in unit.nals if kind(unit.codec, nal) in KINDS[unit.codec].slices]


def read_back(form: str, path: Path) -> list[bytes]:
    data = path.read_bytes()
    if form == "mpeg-ts":
        demux = TsDemux()
        size = len(data) // 188 * 188
        return slices(timed.unit for timed in [*demux.feed(data[:size], 0.0), *demux.flush()])
    splitter = Splitter("h265" if form == "h265" else "h264")
    # One of the units at a time: a whole film is more than a splitter expects at once.
    units = [unit for at in range(0, len(data), 65_536) for unit in splitter.feed(data[at : at + 65_536], 0.0)]
    return slices([*units, *splitter.flush()])


def ffmpeg(url: str, form: str, transport: str, path: Path) -> list[str]:
    login = url.replace("rtsp://", f"rtsp://{USER}:{PASSWORD.replace(' ', '%20')}@")
    at_once = ("-fflags", "nobuffer", "-analyzeduration", "0", "-probesize", "32")
    where = ("-rtsp_transport", transport, "-i", login, "-map", "0:v", "-c", "copy", "-flush_packets", "1")
    return ["ffmpeg", "-nostdin", "-loglevel", "error", "-y", *at_once, *where, "-f", RAW[form], str(path)]


def gstreamer(url: str, form: str, transport: str, path: Path) -> list[str]:
    source = ["rtspsrc", f"location={url}", f"user-id={USER}", f"user-pw={PASSWORD}", f"protocols={transport}", "!"]
    return ["gst-launch-1.0", "-q", "-e", *source, *GST_FORM[form].split(), "!", "filesink", f"location={path}"]


Words = Callable[[str, str, str, Path], list[str]]
READERS: list[tuple[str, Words]] = [("ffmpeg", ffmpeg), ("gstreamer", gstreamer)]


class Flight:
    """Plays a lane of each form; `sent` has the slices that entered."""

    def __init__(self, server: RtspServer, forms: dict[str, str]) -> None:
        self.sent: dict[str, list[bytes]] = {lane: [] for lane in forms}
        self._server, self._count = server, 0
        self._films = {lane: film(form) for lane, form in forms.items()}
        self._packets = {lane: datagrams(form, cycle(self._films[lane])) for lane, form in forms.items()}

    def step(self) -> None:
        for lane, units in self._films.items():
            self._server.take("pilot", published(next(self._packets[lane]), lane=lane))
            self.sent[lane] += slices([units[self._count % len(units)]])
        self._count += 1

    async def until(self, true: Callable[[], bool], within_s: float) -> bool:
        ends = time.monotonic() + within_s
        while not (is_true := true()) and time.monotonic() < ends:
            self.step()
            await asyncio.sleep(1 / FPS)
        return is_true


async def read(reader: Words, transport: str, forms: dict[str, str], folder: Path, seconds: int) -> None:
    async with serving() as server:
        flight = Flight(server, forms)
        for _ in range(FPS):  # it is there before a reader asks
            flight.step()
        paths = {lane: folder / f"{lane}.out" for lane in forms}
        url = f"{server._settings.url()}{DEVICE.replace(' ', '%20')}/"
        started = [
            subprocess.Popen(reader(url + lane, form, transport, paths[lane]), stderr=subprocess.PIPE)
            for lane, form in forms.items()
        ]
        try:
            assert await flight.until(lambda: server.report().readers == len(forms), 20)
            before = {lane: len(came) for lane, came in flight.sent.items()}
            await flight.until(lambda: False, seconds)
            meanwhile = {lane: len(came) - before[lane] for lane, came in flight.sent.items()}
            for one in started:
                one.send_signal(signal.SIGINT)
            assert await flight.until(lambda: all(one.poll() is not None for one in started), 10)
        finally:
            for one in started:
                one.kill()
        for number, (lane, form) in enumerate(forms.items()):
            error = started[number].stderr
            assert error
            got = read_back(form, paths[lane])[:-1]  # the last may be cut
            assert len(got) > meanwhile[lane] - FPS, f"lane {lane}: {len(got)} {error.read()[-500:]!r}"
            assert is_within(got, flight.sent[lane]), f"lane {lane}: {len(got)} of {len(flight.sent[lane])}"
        assert not server.report().refused


def is_within(part: list[bytes], whole: list[bytes]) -> bool:
    """Without a gap."""
    return any(whole[at : at + len(part)] == part for at in range(len(whole) - len(part) + 1) if whole[at] == part[0])


def needs(form: str) -> None:
    codec = "h265" if form == "h265" else "h264"
    if not films.can(codec):
        pytest.skip(f"needs ffmpeg with an encoder of {codec}")


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("reader", [words for _, words in READERS], ids=[name for name, _ in READERS])
def test_what_a_reader_writes_is_what_entered(reader, form, transport, tmp_path):
    needs(form)
    if reader is gstreamer and not WITH_GST:
        pytest.skip("needs gst-launch-1.0: apt install gstreamer1.0-tools gstreamer1.0-plugins-good")
    asyncio.run(read(reader, transport, {"a": form, "b": "h264"}, tmp_path, SECONDS))


@pytest.mark.soak
@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("reader", [words for _, words in READERS], ids=[name for name, _ in READERS])
def test_for_a_minute(reader, transport, tmp_path):
    needs("h265")
    if reader is gstreamer and not WITH_GST:
        pytest.skip("needs gst-launch-1.0: apt install gstreamer1.0-tools gstreamer1.0-plugins-good")
    asyncio.run(read(reader, transport, {"a": "h264", "b": "h265"}, tmp_path, MINUTE))


def test_ffmpeg_with_a_wrong_password_gets_nothing(tmp_path):
    needs("h264")

    async def test() -> None:
        async with serving() as server:
            flight = Flight(server, {"a": "h264"})
            await flight.until(lambda: server.report().streams != [], 5)
            words = ffmpeg(f"{server._settings.url()}{DEVICE.replace(' ', '%20')}/a", "h264", "tcp", tmp_path / "out")
            wrong = [word.replace(PASSWORD.replace(" ", "%20"), "incorrect-horse") for word in words]
            with subprocess.Popen(wrong, stderr=subprocess.PIPE) as process:
                assert await flight.until(lambda: process.poll() is not None, 20)
                assert b"401" in process.communicate()[1]
            assert server.report().refused == {Refusal.LOGIN: 1}

    asyncio.run(test())
