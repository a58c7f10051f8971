"""RTMP from the programs that people have: ffmpeg and GStreamer. nginx-rtmp is the reference for the answers."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import statistics
import subprocess
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.demo.stage import HOST, free_port, port_of, udp_socket
from gateway.sources import rtmp, rtmp_amf0
from gateway.sources.rtmp_chunks import ChunkReader, Message
from gateway.sources.rtmp_session import AMF0_COMMAND, HANDSHAKE_SIZE
from gateway.video.depacketiser import Depacketiser
from gateway.video.nal import KINDS, AccessUnit, kind
from gateway.video.rtp import TIMESTAMPS
from tests import films

WITHIN_S = 60
LATENCY_S = 20
MODULE = "lib/nginx/modules/ngx_rtmp_module.so"  # of libnginx-mod-rtmp
ONCE = ("h264", "h264 B", "h264 4 slices")


class Ingest:
    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"rtmp://{HOST}:{self.port}/live/front"
        self.got: list[tuple[AccessUnit, int]] = []
        self.said: list[str] = []

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        take = rtmp.serve(HOST, self.port, "live", "front", lambda *picture: self.got.append(picture), self.said.append)
        task = asyncio.ensure_future(take)
        while not self.said:
            await asyncio.sleep(0.01)
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def published(words: Sequence[str | Path]) -> Ingest:
    """What came of a publisher that runs to its end; URL is where it publishes."""
    ingest = Ingest()

    async def play() -> None:
        async with ingest.running():
            words_now = [str(word).replace("URL", ingest.url) for word in words]
            program = await asyncio.create_subprocess_exec(*words_now)
            assert await asyncio.wait_for(program.wait(), WITHIN_S) == 0
            while ingest.said[-1] != rtmp.WAITING:
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(play(), WITHIN_S))
    return ingest


def publisher(path: Path, url: str, *options: str) -> list[str]:
    return [str(word) for word in (*films.FFMPEG, *options, "-i", path, "-c", "copy", "-f", "flv", url)]


async def until_it_sends(ingest: Ingest, words: Sequence[str]) -> asyncio.subprocess.Process:
    program = await asyncio.create_subprocess_exec(*words)
    while len(ingest.got) < 10:
        await asyncio.sleep(0.01)
    return program


def slices(pictures: Sequence[AccessUnit]) -> list[list[bytes]]:
    """Without parameter sets and messages, which go into a container's header, and without the zero of a start code.

    ffmpeg puts that zero into MP4, with the unit before it (H.265).
    """
    kinds = {codec: kinds.slices for codec, kinds in KINDS.items()}
    return [[nal.rstrip(b"\0") for nal in unit.nals if kind(unit.codec, nal) in kinds[unit.codec]] for unit in pictures]


def check(ingest: Ingest, name: str, untimed: Sequence[str] = ()) -> None:
    """All pictures, to the byte, in decoding order, at the times at which they are shown."""
    codec = films.ENCODERS[name][0]
    got = [unit for unit, _ in ingest.got]
    expected = films.units(films.film(name), codec)
    assert slices(got) == slices(expected)
    assert [unit.key for unit in got] == [unit.key for unit in expected]
    for unit in got:
        assert not unit.key or set(KINDS[codec].parameters) <= {kind(codec, nal) for nal in unit.nals}
    first = ingest.got[0][1] - TIMESTAMPS // 2
    shown = sorted((timestamp - first) % TIMESTAMPS for _, timestamp in ingest.got)
    if name not in untimed:
        assert [round((b - a) / 3600) for a, b in pairwise(shown)] == [1] * (len(shown) - 1)


@pytest.fixture
def film(request, tmp_path):
    """In MP4, which has the times of a film with B pictures."""

    def made(name: str) -> Path:
        if not films.can(name):
            pytest.skip("needs ffmpeg with libx264 and libx265: apt-get install ffmpeg")
        raw, path = tmp_path / "film", tmp_path / "film.mp4"
        raw.write_bytes(films.film(name))
        form = {"h264": "h264", "h265": "hevc"}[films.ENCODERS[name][0]]
        words = (*films.FFMPEG, "-fflags", "+genpts", "-r", str(films.FPS), "-f", form, "-i", raw, "-c", "copy", path)
        subprocess.run(words, check=True)
        return path

    return made


def newer_ffmpeg() -> str:
    """One that knows enhanced RTMP (6.1 or newer): the distribution's, or that of imageio-ffmpeg."""
    found = [shutil.which("ffmpeg")]
    with contextlib.suppress(ImportError, RuntimeError):
        import imageio_ffmpeg  # noqa: PLC0415

        found.append(imageio_ffmpeg.get_ffmpeg_exe())
    for program in filter(None, found):
        told = subprocess.run((program, "-hide_banner", "-h", "protocol=rtmp"), capture_output=True, text=True, check=False)
        if "rtmp_enhanced_codecs" in told.stdout:
            return program
    pytest.skip("needs ffmpeg 6.1 or newer for H.265 over RTMP: pip install imageio-ffmpeg")


@pytest.mark.parametrize("name", ONCE)
def test_ffmpeg_publishes_h264(name, film):
    sound = ("-f", "lavfi", "-t", "2", "-i", "sine", "-map", "0:v", "-map", "1:a", "-c:a", "aac")
    ingest = published((*films.FFMPEG, "-i", film(name), *sound, "-c:v", "copy", "-f", "flv", "URL"))
    check(ingest, name)


@pytest.mark.parametrize("name", ["h265", "h265 B", "h265 4 slices"])
def test_ffmpeg_publishes_h265(name, film):
    program = newer_ffmpeg()
    words = ("-i", film(name), "-c", "copy", "-f", "flv", "-rtmp_enhanced_codecs", "hvc1", "URL")
    check(published((program, *films.FFMPEG[1:], *words)), name)


@pytest.mark.parametrize("chunk_size", [128, 4096, 65_536])
@pytest.mark.parametrize("name", ONCE)
def test_gstreamer_publishes(name, chunk_size, film):
    has = shutil.which("gst-inspect-1.0") and not subprocess.call(("gst-inspect-1.0", "--exists", "rtmp2sink"))
    if not has:
        pytest.skip("needs GStreamer with rtmp2sink: apt-get install gstreamer1.0-tools gstreamer1.0-plugins-bad")
    line = f"filesrc location={film(name)} ! qtdemux ! h264parse ! flvmux streamable=true ! rtmp2sink location=URL"
    # Its flvmux gives the first two of B pictures the same time.
    words = ("gst-launch-1.0", "-q", *f"{line} sync=false chunk-size={chunk_size}".split())
    check(published(words), name, untimed=("h264 B", "h264 4 slices"))


def test_two_programs_on_one_key(film):
    """The second is told so, and the first loses nothing."""
    path, ingest = film("h264"), Ingest()

    async def play() -> None:
        words = publisher(path, ingest.url, "-re")
        async with ingest.running():
            first = await until_it_sends(ingest, words)
            second = await asyncio.create_subprocess_exec(*words, stderr=subprocess.PIPE)
            _, said = await second.communicate()
            assert second.returncode
            assert b"Refused" in said
            assert await first.wait() == 0

    asyncio.run(asyncio.wait_for(play(), WITHIN_S))
    check(ingest, "h264")


def test_a_program_that_is_killed_makes_room(film):
    path, ingest = film("h264"), Ingest()

    async def play() -> None:
        words = publisher(path, ingest.url, "-re")
        async with ingest.running():
            first = await until_it_sends(ingest, words)
            first.kill()
            await first.wait()
            while ingest.said[-1] != rtmp.WAITING:
                await asyncio.sleep(0.01)
            ingest.got.clear()
            assert await (await asyncio.create_subprocess_exec(*words)).wait() == 0

    asyncio.run(asyncio.wait_for(play(), WITHIN_S))
    check(ingest, "h264")


def answers(port: int, film_path: Path) -> list[tuple[int, int, object]]:
    """What a server says to ffmpeg, after the handshake."""
    said = bytearray()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                kept += data
                writer.write(data)
        writer.close()

    async def play() -> None:
        async def between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            from_server, to_server = await asyncio.open_connection(HOST, port)
            await asyncio.gather(pump(reader, to_server, bytearray()), pump(from_server, writer, said))

        server = await asyncio.start_server(between, HOST, 0)
        url = f"rtmp://{HOST}:{server.sockets[0].getsockname()[1]}/live/front"
        assert await (await asyncio.create_subprocess_exec(*publisher(film_path, url))).wait() == 0
        server.close()

    asyncio.run(asyncio.wait_for(play(), WITHIN_S))
    return [readable(message) for message in ChunkReader().feed(bytes(said[1 + 2 * HANDSHAKE_SIZE :]))]


def readable(message: Message) -> tuple[int, int, object]:
    values = rtmp_amf0.decode(message.payload) if message.kind == AMF0_COMMAND else message.payload
    return message.kind, message.stream, values


def test_ffmpeg_hears_from_us_what_it_hears_from_nginx(film, tmp_path):
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin") or shutil.which("nginx")
    if nginx is None or not (Path(nginx).parents[1] / MODULE).exists():
        pytest.skip("needs nginx with its RTMP module: apt-get install libnginx-mod-rtmp")
    path, port = film("h264"), free_port()
    settings = tmp_path / "nginx.conf"
    settings.write_text(
        f"load_module {Path(nginx).parents[1] / MODULE};\ndaemon off;\npid {tmp_path}/pid;\n"
        f"error_log {tmp_path}/log;\nevents {{}}\n"
        f"rtmp {{ access_log off; server {{ listen {HOST}:{port}; application live {{ live on; }} }} }}\n"
    )
    with subprocess.Popen((nginx, "-p", tmp_path, "-c", settings), stderr=subprocess.DEVNULL) as program:
        try:
            theirs = asyncio.run(asyncio.wait_for(retried(port, path), WITHIN_S))
        finally:
            program.terminate()
    ingest = Ingest()

    async def ours() -> list[tuple[int, int, object]]:
        async with ingest.running():
            return await asyncio.to_thread(answers, ingest.port, path)

    told = asyncio.run(asyncio.wait_for(ours(), WITHIN_S))
    assert told[: len(theirs)] == theirs
    assert [values[3]["code"] for _, _, values in told[len(theirs) :]] in ([], ["NetStream.Unpublish.Success"])


async def retried(port: int, path: Path) -> list[tuple[int, int, object]]:
    while True:
        with contextlib.suppress(ConnectionError):
            _, writer = await asyncio.open_connection(HOST, port)
            writer.close()
            return await asyncio.to_thread(answers, port, path)
        await asyncio.sleep(0.05)


@pytest.mark.soak
@pytest.mark.alone
@pytest.mark.parametrize("rate", ["2M", "8M"])
def test_latency_against_rtp_of_the_same_program(rate, figure):
    """One ffmpeg sends each picture as RTP and by RTMP: how much later does RTMP give it? Printed, not asserted."""
    if not films.can("h264"):
        pytest.skip("needs ffmpeg with libx264: apt-get install ffmpeg")
    ingest, sink, back = Ingest(), udp_socket(), Depacketiser("h264")
    sink.setblocking(False)
    plain: dict[bytes, float] = {}
    source = ("-re", "-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30,noise=alls=20:allf=t", "-t", str(LATENCY_S))
    encoder = f"-c:v libx264 -preset ultrafast -tune zerolatency -g 30 -b:v {rate} -maxrate {rate} -bufsize 500k".split()
    outputs = f"[f=flv]{ingest.url}|[f=rtp:bsfs/v=h264_mp4toannexb]rtp://{HOST}:{port_of(sink)}?pkt_size=1200"
    words = (*films.FFMPEG, *source, *encoder, "-flags", "+global_header", "-map", "0:v", "-f", "tee", outputs)

    async def play() -> None:
        loop = asyncio.get_running_loop()

        def read() -> None:
            with contextlib.suppress(BlockingIOError):
                while True:
                    for unit, _ in back.feed(sink.recv(65536), loop.time()):
                        plain[slices([unit])[0][0]] = loop.time()

        loop.add_reader(sink, read)
        async with ingest.running():
            assert await (await asyncio.create_subprocess_exec(*words)).wait() == 0
            await asyncio.sleep(0.5)
        loop.remove_reader(sink)

    asyncio.run(asyncio.wait_for(play(), WITHIN_S))
    sink.close()
    pushed = {slices([unit])[0][0]: unit.time for unit, _ in ingest.got}
    assert len(pushed) > 29 * LATENCY_S
    assert not set(plain) - set(pushed), "pictures that RTP has and RTMP has not"
    late = sorted(1000 * (pushed[first] - when) for first, when in plain.items())
    quantiles = statistics.quantiles(late, n=100)
    figure(
        f"RTMP at {rate}bit/s, 720p30: {len(late)} of {len(plain)} pictures, later than the same program's RTP by"
        f" p50 {quantiles[49]:.2f} ms, p99 {quantiles[98]:.2f} ms, at most {late[-1]:.2f} ms"
    )
