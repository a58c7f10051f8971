"""Film: an .mp4 of pictures that were recorded, as they are: put into another container and never encoded again.

What lives here: which pictures, their times, and the two programs that can write the container, PyAV and ffmpeg. Both get
the same MPEG-TS, which we write, because only a container carries exact times to them.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from gateway.recording.export.video import Entry, entries
from gateway.video.nal import Codec
from gateway.video.parameter_sets import ParameterSets
from gateway.video.timeline import decoded
from gateway.video.ts_mux import START_CODE, TsMux

TICK_NS = 1_000_000_000 / 90_000
LINE_MAX = 200
_COPY = ("-map", "0:v:0", "-c", "copy", "-movflags", "+faststart", "-f", "mp4", "-y")


class FilmError(Exception):
    """The program that writes films refused; its words."""


class Film(NamedTuple):
    """`before`: pictures of the stream that precede the film, because no decoder can begin with them."""

    pictures: int
    before: int
    begin_ns: int  # when its first picture is shown, since the session began
    end_ns: int
    key: bool  # it begins with a key picture


def writer() -> str:
    """The program that will write films; empty if this computer has none."""
    with suppress(ImportError):
        import av  # noqa: F401, PLC0415 - an extra

        return "PyAV"
    return "ffmpeg" if shutil.which("ffmpeg") else ""


def plan(index: Path) -> Film | None:
    """Begins with the first key picture, or with the first one if there is none; None if there are no pictures."""
    first_key = next((place for place, entry in enumerate(entries(index)) if entry.key), None)
    before = first_key or 0
    count, begin, end = 0, 0, 0
    for place, entry in enumerate(entries(index)):
        if place >= before:
            begin = entry.shown if not count else begin
            end = max(end, entry.shown)
            count += 1
    return Film(count, before, round(begin * TICK_NS), round(end * TICK_NS), first_key is not None) if count else None


def write(codec: Codec, sets: list[bytes], film: Film, pictures: Path, index: Path, into: Path) -> None:
    """Raises FilmError."""
    transport = _transport(codec, sets, film, pictures, index)
    if writer() == "PyAV":
        _by_pyav(transport, codec, into)
    else:
        _by_ffmpeg(transport, codec, into)


def _transport(codec: Codec, sets: list[bytes], film: Film, pictures: Path, index: Path) -> Iterator[bytes]:
    """Each picture as MPEG-TS. A key picture has its parameter sets, which some encoders send once or never."""
    mux, known = TsMux(codec), ParameterSets(codec)
    known.learn(sets)
    delay = max(before - shown for before, shown in decoded(entry.shown for entry in _of(film, index)))
    first = None
    with pictures.open("rb") as file:
        file.seek(sum(entry.size for place, entry in enumerate(entries(index)) if place < film.before))
        times = decoded(entry.shown for entry in _of(film, index))
        for entry, (tick, shown) in zip(_of(film, index), times, strict=True):
            data = file.read(entry.size)
            if entry.key or entry.sets:
                data = START_CODE + START_CODE.join(known.completed([nal for nal in data.split(START_CODE) if nal]))
            first = tick if first is None else first
            yield mux.picture(data, entry.key, shown - first + delay, tick - first)


def _of(film: Film, index: Path) -> Iterator[Entry]:
    return (entry for place, entry in enumerate(entries(index)) if place >= film.before)


class _Pipe:
    """A file to read from, of what an iterator gives."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, bytearray()

    def read(self, size: int) -> bytes:
        while len(self._rest) < size and (piece := next(self._pieces, b"")):
            self._rest += piece
        data = bytes(self._rest[:size])
        del self._rest[:size]
        return data


def _by_pyav(transport: Iterator[bytes], codec: Codec, into: Path) -> None:
    import av  # noqa: PLC0415 - an extra

    try:
        with (
            av.open(_Pipe(transport), format="mpegts") as source,
            av.open(f"file:{into}", "w", format="mp4", options={"movflags": "faststart"}) as film,
        ):
            stream = film.add_stream_from_template(source.streams.video[0])
            if codec == "h265":
                stream.codec_context.codec_tag = "hvc1"  # what Apple's players know
            begin = None
            for packet in source.demux(source.streams.video[0]):
                if packet.size:
                    begin = packet.pts if begin is None else begin
                    packet.pts, packet.dts, packet.stream = packet.pts - begin, packet.dts - begin, stream
                    film.mux(packet)
    except (av.FFmpegError, IndexError) as error:
        raise FilmError(f"PyAV: {error}") from None


def _by_ffmpeg(transport: Iterator[bytes], codec: Codec, into: Path) -> None:
    words = ("ffmpeg", "-nostdin", "-loglevel", "error", "-copyts", "-start_at_zero", "-f", "mpegts", "-i", "pipe:0")
    tag = ("-tag:v", "hvc1") if codec == "h265" else ()
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen((*words, *tag, *_COPY, f"file:{into}"), stdin=subprocess.PIPE, stderr=told)  # noqa: S603
        assert process.stdin is not None
        with suppress(BrokenPipeError), process.stdin:
            for piece in transport:
                process.stdin.write(piece)
        if process.wait():
            told.seek(0)
            last = told.read().decode(errors="replace").strip().rpartition("\n")[2]
            raise FilmError(f"ffmpeg: {last[:LINE_MAX]}")
