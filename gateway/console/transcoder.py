"""Transcoder: makes H.264 of one stream of H.265 by ffmpeg, for browsers that have no H.265. A child process, without keys.

What lives here: one ffmpeg, from its start to its next start. What must not: which streams need one (live.py).

Pictures go in as Annex B with an access unit delimiter after each, by which ffmpeg sees its end; they come out in the same
number and order, so each keeps the head of its message: when it came, and how much of it is missing. ffmpeg ends with the
pipe, so it does not outlive us. One that ends, that stops giving pictures or that stops reading is started again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections import deque
from collections.abc import Callable, Sequence

from gateway import clock
from gateway.console.picture_message import CATCHING_UP, KEY, SIZE
from gateway.video import sps
from gateway.video.annexb import Splitter
from gateway.video.damage import Damaged
from gateway.video.nal import AccessUnit
from keys.printable import printable

if sys.platform == "linux":
    import resource

FFMPEG = (
    *("ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", "-flags", "low_delay"),
    *("-probesize", "32", "-fpsprobesize", "0", "-analyzeduration", "0", "-threads", "1", "-f", "hevc", "-i", "pipe:0"),
    *("-map", "0:v:0", "-fps_mode", "passthrough", "-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency"),
    *("-bf", "0", "-g", "60", "-pix_fmt", "yuv420p", "-threads", "2", "-flush_packets", "1", "-f", "h264", "pipe:1"),
)
DELIMITER = b"\0\0\0\1\x46\x01\x50"  # H.265 section 7.3.2.5: any picture may follow
LONG_START_CODE = b"\0\0\0\1"
NICE = 10
MEMORY_MAX = 1 << 30
UNREAD_MAX = 4 << 20  # bytes that ffmpeg has not taken
SILENT_S = 5.0  # pictures go in, and none comes out
PAUSE_MIN_S, PAUSE_MAX_S = 0.5, 10.0
INSIDE_MAX = 150  # pictures: more are not inside ffmpeg, but lost in it
KEPT_MAX = 120  # pictures since the last key picture
CHUNK = 1 << 16
LINE_MAX = 300

OnPicture = Callable[[bytes, bool], None]  # the message of a picture, and whether it is a key picture


class Transcoder:
    """`take` the messages of the pictures of one stream; `on_picture` gets those of H.264.

    `since_key`     the messages of H.264 since its last key picture
    `codec_string`  of H.264; empty until a picture came
    `last_error`    why ffmpeg ended last
    """

    def __init__(self, on_picture: OnPicture, words: Sequence[str] = FFMPEG) -> None:
        self.since_key: list[bytes] = []
        self.last_error = self.codec_string = ""
        self.starts = 0
        self._on_picture, self._words = on_picture, words
        self._process: asyncio.subprocess.Process | None = None
        self._heads: deque[bytes] = deque()  # of the pictures inside
        self._out_at = 0.0
        self._begun = False  # it has been given a key picture
        self._task = asyncio.create_task(self._keep())

    def take(self, message: bytes) -> None:
        """One picture of H.265, with the head of its message. The first one that is used is a key picture."""
        process = self._process
        if process is None or process.stdin is None or process.stdin.is_closing():
            return
        if not self._begun and not message[1] & KEY:
            return
        if not self._begun:
            self._begun, self._out_at = True, clock.now()
        if process.stdin.transport.get_write_buffer_size() > UNREAD_MAX or (
            self._heads and clock.now() - self._out_at > SILENT_S
        ):
            self._kill("gives no pictures")
            return
        if not self._heads:
            self._out_at = clock.now()
        self._heads.append(message[:SIZE])
        process.stdin.write(message[SIZE:] + DELIMITER)

    @property
    def waits(self) -> bool:
        """ffmpeg runs, and has been given no picture yet."""
        return self._process is not None and not self._begun

    async def close(self) -> None:
        """Its ffmpeg runs no more."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _keep(self) -> None:
        pause = PAUSE_MIN_S
        while True:
            begun = clock.now()
            try:
                await self._run()
            except OSError as error:
                self.last_error = f"{self._words[0]}: {error.strerror}"
            pause = PAUSE_MIN_S if clock.now() - begun > PAUSE_MAX_S else min(2 * pause, PAUSE_MAX_S)
            await asyncio.sleep(pause)

    async def _run(self) -> None:
        """One ffmpeg, to its end. OSError."""
        environ = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "HOME"}}
        self.starts += 1
        process = await asyncio.create_subprocess_exec(
            *self._words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environ,
            cwd="/",
            start_new_session=True,
        )
        _limit(process.pid)
        self._process, self._begun = process, False
        self._heads.clear()
        self.since_key = []
        errors = asyncio.create_task(self._errors(process))
        try:
            await self._pictures(process)
            await process.wait()
            await errors
        finally:
            self._process = None
            errors.cancel()
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def _pictures(self, process: asyncio.subprocess.Process) -> None:
        """What comes out, until it ends."""
        assert process.stdout is not None
        splitter = Splitter("h264")
        reading: asyncio.Task[bytes] | None = None
        while True:
            reading = reading or asyncio.create_task(process.stdout.read(CHUNK))
            due = splitter.due()
            done, _ = await asyncio.wait({reading}, timeout=None if due is None else max(0.0, due - clock.now()))
            if not done:
                self._give(splitter.flush())
                continue
            data, reading = reading.result(), None
            if not data:
                return
            self._give(splitter.feed(data, clock.now()))

    def _give(self, units: list[AccessUnit]) -> None:
        for unit in units:
            self._out_at = clock.now()
            while len(self._heads) > INSIDE_MAX:
                self._heads.popleft()
            if not self._heads:  # more came out than went in: it cannot be said when that came
                continue
            head = self._heads.popleft()
            flags = head[1] & ~KEY | KEY * unit.key
            body = LONG_START_CODE + LONG_START_CODE.join(unit.nals)
            message = head[:1] + bytes([flags]) + head[2:] + body
            if unit.key:
                self.since_key = []
                self._read_sps(unit)
            if unit.key or 0 < len(self.since_key) < KEPT_MAX:
                self.since_key.append(head[:1] + bytes([flags | CATCHING_UP]) + head[2:] + body)
            else:
                self.since_key = []
            self._on_picture(message, unit.key)

    def _read_sps(self, unit: AccessUnit) -> None:
        for nal in unit.nals:
            if sps.is_sps("h264", nal):
                with contextlib.suppress(Damaged):
                    self.codec_string = sps.read("h264", nal).codec_string

    async def _errors(self, process: asyncio.subprocess.Process) -> None:
        """The last line of its errors is kept."""
        assert process.stderr is not None
        while data := await process.stderr.read(CHUNK):
            lines = [line for line in data.decode(errors="replace").splitlines() if line.strip()]
            if lines:
                self.last_error = printable(lines[-1].strip(), LINE_MAX)

    def _kill(self, why: str) -> None:
        self.last_error = f"{self._words[0]} {why}"
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._process = None


def _limit(pid: int) -> None:
    """It comes last, and cannot take the memory of the station."""
    with contextlib.suppress(OSError, AttributeError):  # it has ended; not Linux
        os.setpriority(os.PRIO_PROCESS, pid, NICE)
        if sys.platform == "linux":
            resource.prlimit(pid, resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))
            resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
