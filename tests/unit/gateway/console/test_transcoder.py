"""H.264 out of H.265, by a program that may end, hang or not be there."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.console import transcoder
from gateway.console.picture_message import CATCHING_UP, DAMAGED, KEY, SIZE
from gateway.console.transcoder import Transcoder
from gateway.video.annexb import Splitter
from gateway.video.nal import AccessUnit

WITHIN_S = 20.0
PICTURES = 30
# Gives back what comes, as an encoder that writes each picture at once; a delimiter of H.265 is one of H.264's types, too.
ECHO = (
    "import os\nwhile data := os.read(0, 1 << 16):\n    os.write(1, data.replace(bytes([0, 0, 0, 1, 0x46, 1, 0x50]), b''))"
)
KEY_PICTURE = b"\0\0\0\1\x67\x42\0\x1f" + b"\0\0\0\1\x68\xce\x38\x80" + b"\0\0\0\1\x65\x88" + bytes(range(1, 40))
PICTURE = b"\0\0\0\1\x41\x9a" + bytes(range(1, 40))


def head(number: int, flags: int = 0) -> bytes:
    return bytes([1, flags]) + number.to_bytes(SIZE - 2, "little")


def number_of(message: bytes) -> int:
    return int.from_bytes(message[2:SIZE], "little")


async def until(true, what: str) -> None:
    end = time.monotonic() + WITHIN_S
    while not true():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.01)


def program(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text)


def test_each_picture_keeps_the_head_of_its_message(monkeypatch):
    monkeypatch.setattr(transcoder, "MEMORY_MAX", 1 << 33)

    async def run() -> None:
        out: list[tuple[bytes, bool]] = []
        one = Transcoder(lambda message, key: out.append((message, key)), program(ECHO))
        await until(lambda: one._process is not None, "it does not start")
        one.take(head(1) + PICTURE)  # no decoder begins with it
        one.take(head(2, KEY | CATCHING_UP) + KEY_PICTURE)
        await until(lambda: len(out) == 1, "no picture")
        one.take(head(3, DAMAGED) + PICTURE)
        await until(lambda: len(out) == 2, "no second picture")
        assert [(number_of(message), message[1], key) for message, key in out] == [
            (2, KEY | CATCHING_UP, True),
            (3, DAMAGED, False),
        ]
        assert out[0][0][SIZE:] == KEY_PICTURE
        assert [(number_of(message), message[1]) for message in one.since_key] == [
            (2, KEY | CATCHING_UP),
            (3, DAMAGED | CATCHING_UP),
        ]
        await one.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import sys; sys.exit('a\\nno such \\x1b encoder')", "no such \\x1b encoder"),
        ("import time; time.sleep(60)", "gives no pictures"),
        ("import os\nwhile os.read(0, 1 << 16): pass", "gives no pictures"),
    ],
)
def test_a_program_that_ends_or_hangs_is_started_again(text, words, monkeypatch):
    monkeypatch.setattr(transcoder, "SILENT_S", 0.3)
    monkeypatch.setattr(transcoder, "PAUSE_MAX_S", 0.01)

    async def run() -> None:
        one = Transcoder(lambda *_: None, program(text))

        def fed() -> bool:
            one.take(head(1, KEY) + KEY_PICTURE)
            return one.starts >= 2 and words in one.last_error

        await until(fed, one.last_error)
        await one.close()

    asyncio.run(run())


def test_a_program_that_is_not_there_is_told():
    async def run() -> None:
        one = Transcoder(lambda *_: None, ("/not/there",))
        await until(lambda: one.last_error, "nothing is told")
        assert one.last_error == "/not/there: No such file or directory"
        one.take(head(1, KEY) + KEY_PICTURE)
        await one.close()

    asyncio.run(run())


def test_nothing_of_it_runs_after_its_end():
    async def run() -> None:
        one = Transcoder(lambda *_: None, program("import time; time.sleep(60)"))
        await until(lambda: one._process is not None, "it does not start")
        process = one._process
        await one.close()
        assert process.returncode is not None

    asyncio.run(run())


def of_x265(folder: Path) -> list[AccessUnit]:
    """A clip of PICTURES pictures. Skips where no ffmpeg makes it."""
    clip = folder / "clip.h265"
    pattern = ("-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30", "-frames:v", str(PICTURES))
    coder = ("-c:v", "libx265", "-preset", "ultrafast", "-tune", "zerolatency", "-x265-params", "log-level=none:keyint=15")
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs ffmpeg")
    if subprocess.run(
        ["ffmpeg", "-loglevel", "error", *pattern, *coder, clip], capture_output=True, check=False
    ).returncode:
        pytest.skip("this ffmpeg makes no H.265")
    splitter = Splitter("h265")
    return [*splitter.feed(clip.read_bytes(), 0.0), *splitter.flush()]


def test_ffmpeg_makes_h264_of_h265(figure, tmp_path):
    units = of_x265(tmp_path)
    assert len(units) == PICTURES

    async def run() -> None:
        out: list[bytes] = []
        took: list[float] = []
        sent: dict[int, float] = {}

        def came(message: bytes, key: bool) -> None:
            assert key == bool(message[1] & KEY)
            took.append(time.monotonic() - sent[number_of(message)])
            out.append(message)

        one = Transcoder(came)
        await until(lambda: one._process is not None, "it does not start")
        for number, unit in enumerate(units):
            sent[number] = time.monotonic()
            one.take(head(number, KEY * unit.key) + b"".join(b"\0\0\0\1" + nal for nal in unit.nals))
            await asyncio.sleep(0.03)
        await until(lambda: len(out) == PICTURES, f"{len(out)} pictures: {one.last_error}")
        await one.close()
        assert [number_of(message) for message in out] == [*range(PICTURES)]
        assert out[0][1] & KEY
        made = tmp_path / "out.h264"
        made.write_bytes(b"".join(message[SIZE:] for message in out))
        count = ("-count_frames", "-show_entries", "stream=codec_name,nb_read_frames", "-of", "csv=p=0")
        said = subprocess.run(["ffprobe", "-v", "error", *count, made], capture_output=True, check=True, text=True)
        assert said.stdout.strip() == f"h264,{PICTURES}"
        middle, first = sorted(took)[PICTURES // 2], took[0]
        figure(f"transcoder, 640x360: {middle * 1000:.0f} ms for a picture (p50), {first * 1000:.0f} ms for the first")

    asyncio.run(run())
