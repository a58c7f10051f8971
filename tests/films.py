"""Short films for tests, made once by ffmpeg, and what ffprobe takes for their pictures."""

from __future__ import annotations

import functools
import hashlib
import json
import random
import shutil
import subprocess
import tempfile
from pathlib import Path

from gateway.video.annexb import Splitter
from gateway.video.nal import AccessUnit, Codec

FFMPEG = ("ffmpeg", "-nostdin", "-loglevel", "error", "-y")
PICTURES, FPS = 60, 25
X264, X265 = ("-c:v", "libx264", "-x264-params"), ("-c:v", "libx265", "-x265-params")
ENCODERS: dict[str, tuple[Codec, tuple[str, ...]]] = {
    "h264": ("h264", (*X264, "keyint=20:bframes=0")),
    "h264 B": ("h264", (*X264, "keyint=20:bframes=3:b-adapt=0")),
    "h264 4 slices": ("h264", (*X264, "keyint=20:slices=4:sliced-threads=0:bframes=2")),
    "h264 small slices, delimiters, fields": ("h264", (*X264, "keyint=20:slice-max-size=1200:aud=1:interlaced=1")),
    "h265": ("h265", (*X265, "keyint=20:bframes=0:log-level=error")),
    "h265 B": ("h265", (*X265, "keyint=20:bframes=3:b-adapt=0:log-level=error")),
    "h265 4 slices": ("h265", (*X265, "keyint=20:slices=4:log-level=error")),
}
_FORMATS = {"h264": "h264", "h265": "hevc"}


@functools.cache
def encoders() -> str:
    if shutil.which("ffmpeg") is None or shutil.which("ffprobe") is None:
        return ""
    return subprocess.run(("ffmpeg", "-encoders"), capture_output=True, text=True, check=True).stdout


def can(name: str) -> bool:
    """This computer's ffmpeg has the encoder."""
    return ENCODERS[name][1][1] in encoders()


@functools.cache
def film(name: str) -> bytes:
    """Annex B."""
    codec, encoder = ENCODERS[name]
    picture = ("-f", "lavfi", "-i", f"testsrc2=size=640x360:rate={FPS}", "-frames:v", str(PICTURES))
    words = (*FFMPEG, *picture, *encoder, "-preset", "ultrafast", "-f", _FORMATS[codec], "-")
    return subprocess.run(words, capture_output=True, check=True).stdout


def units(stream: bytes, codec: Codec) -> list[AccessUnit]:
    splitter = Splitter(codec)
    return splitter.feed(stream, 0.0) + splitter.flush()


def joined(nals: list[bytes], start_code: bytes = b"\0\0\1") -> bytes:
    """ffmpeg gives the zero of a long start code to the picture before (H.265)."""
    return b"".join(start_code + nal for nal in nals)


def damaged(stream: bytes, codec: Codec, seed: int) -> bytes:
    """Units are missing, and then bits are wrong."""
    rng = random.Random(seed)
    nals = [nal for unit in units(stream, codec) for nal in unit.nals]
    data = bytearray(joined([nal for nal in nals if rng.random() > 0.1 * (seed % 3)]))
    for _ in range(10 * (seed % 4)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def seen_by_ffprobe(stream: bytes, codec: Codec) -> list[tuple[int, str]]:
    """Size and MD5 of each access unit."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film"
        path.write_bytes(stream)
        words = ("ffprobe", "-loglevel", "quiet", "-f", _FORMATS[codec], "-show_packets", "-show_data_hash", "md5")
        told = subprocess.run((*words, "-of", "json", path), capture_output=True, text=True, check=False).stdout
    return [(int(packet["size"]), packet["data_hash"].removeprefix("MD5:")) for packet in json.loads(told)["packets"]]


def seen_by_us(pictures: list[AccessUnit]) -> list[tuple[int, str]]:
    data = [joined(unit.nals) for unit in pictures]
    return [(len(one), hashlib.md5(one, usedforsecurity=False).hexdigest()) for one in data]
