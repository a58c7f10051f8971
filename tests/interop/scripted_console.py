"""A console whose view is a script: the real door, server, viewers and pages; a test says what is seen."""

from __future__ import annotations

import asyncio
import copy
import json
import re
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from gateway.console import door, page_messages, pages
from gateway.console.live import Live
from gateway.console.server import PageServer
from gateway.demo.stage import free_port

TOKEN = "0" * 43
KEY, DAMAGED, CATCHING_UP = 1, 2, 4
BITS = 12  # of a picture's number, drawn as so many bars from left to right, the smallest first
STREAM = 1

READ_NUMBER = f"""canvas => {{
  const pixels = canvas.getContext('2d');
  const bit = (at) => pixels.getImageData((at + 0.5) * canvas.width / {BITS}, canvas.height / 2, 1, 1).data[0] > 127;
  return Array.from({{length: {BITS}}}, (_, at) => at).reduce((sum, at) => sum + (bit(at) ? 2 ** at : 0), 0);
}}"""


def film(pictures: int, size: tuple[int, int] = (320, 180), codec: str = "libx264", *options: str) -> list[bytes]:
    """Pictures in Annex B, a key picture every 15; the number of each is drawn in it as bars."""
    width, height = size
    bars = (np.arange(width) * BITS // width).astype(np.uint16)
    frames = b"".join(
        np.broadcast_to(((number >> bars) & 1).astype(np.uint8) * 255, (height, width)).tobytes()
        for number in range(pictures)
    )
    form = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{width}x{height}", "-r", "30", "-i", "-"]
    aud = ["-bsf:v", "h264_metadata=aud=insert"] if codec == "libx264" else []
    encoder = ["-c:v", codec, "-preset", "ultrafast", "-tune", "zerolatency", "-g", "15", "-pix_fmt", "yuv420p", *options]
    kind = "h264" if codec == "libx264" else "hevc"
    words = ["ffmpeg", "-v", "error", *form, *encoder, *aud, "-f", kind, "-"]
    stream = subprocess.run(words, input=frames, capture_output=True, check=True).stdout
    return [b"\0\0\0\1\x09" + unit for unit in stream.split(b"\0\0\0\1\x09")[1:]] if aud else [stream]


def codec_string(picture: bytes) -> str:
    found = re.search(rb"\x00\x00\x01\x67(...)", picture, re.DOTALL)
    assert found is not None
    return f"avc1.{found[1].hex()}"


def message(number: int, picture: bytes, flags: int = 0, lost: int = 0, stream: int = STREAM) -> bytes:
    """One picture as gateway.console sends it."""
    key = KEY if b"\0\0\1\x65" in picture or b"\0\0\0\1\x65" in picture else 0
    return struct.pack("<BBHIdII", 1, flags | key, stream, number, time.time(), number * 3000, lost) + picture


def value(v: object, age_s: float = 0.1) -> dict[str, object]:
    return {"v": v, "age_s": age_s}


STREAM_STATE: dict[str, Any] = {
    "id": STREAM, "lane": "video_a", "codec": "h264", "codec_string": "avc1.42c01e", "pictures": 1, "damaged": 0, "lost": 0,
    "age_s": 0.0, "player": "ffplay -i station.sdp", "transcoded": False,
}  # fmt: skip
AIRCRAFT: dict[str, Any] = {
    "ground": "pilot", "device": "uav1", "systems": [1], "session": "5e55", "state": "open", "sealed": True,
    "sealed_since_us": 1_790_000_000_000_000, "key_age_s": 185.0, "next_key_s": 400.0, "seal_begins": "aircraft",
    "seal": {"level": "good", "text": "sealed", "since_us": None}, "beat_age_s": 0.2,
    "link": {"loss_percent": 1.2, "serial_lost": 3, "radio_lost": 12, "age_s": 0.1},
    "commander": {"may": ["pilot"], "last": "pilot", "last_age_s": 3.0, "refused": {}},
    "recording": {"groups": ["flight"], "reason": None, "room_s": 7200.0},
    "telemetry": {
        "position": value({"lat": 52.08, "lon": 4.31, "alt_m": 86.0, "height_m": 80.0}), "heading": value(123.0),
        "ground_speed": value(11.8), "climb": value(-0.4), "mode": value("LOITER"), "armed": value(True),
        "battery": value({"volt": 22.4, "ampere": 14.2, "percent": 67}),
        "gnss": value({"fix": 3, "text": "3D", "satellites": 17, "hdop": 0.7}),
    },
    "home": {"lat": 52.079, "lon": 4.309}, "track_reset": 0, "texts": [], "traffic": [], "streams": [STREAM_STATE],
}  # fmt: skip
GROUND: dict[str, Any] = {
    "name": "pilot", "role": ["telemetry", "video", "command"], "operation": "Night Watch", "agency": "Harbour Police",
    "class": "restricted", "order": 7, "order_ends_us": 1_790_020_000_000_000, "order_left_s": 18000.0, "next_order": None,
    "wrong": "", "alarms": [],
    "readers": [{"name": "pilot", "roles": ["command"]}, {"name": "observer", "roles": ["video"]}],
    "refused": {}, "recording": None, "alive": True,
}  # fmt: skip


class ScriptedConsole:
    """Serves from a thread of its own until `stop`. A test changes `ground`, `aircraft`, `asked` and sends pictures."""

    version = 0

    def __init__(self, port: int | None = None) -> None:
        self.port = port or free_port()
        self.link = door.link(TOKEN, self.port)
        self.ground, self.aircraft = copy.deepcopy(GROUND), [copy.deepcopy(AIRCRAFT)]
        self.grounds = [self.ground]
        self.since: dict[int, list[bytes]] = {}  # messages since the last key picture, by stream
        self.said: list[page_messages.Watch | page_messages.Again] = []
        self.silent = False
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    async def _main(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self.live = Live(self, self.since_key, transcode=False, tiles=False)
        original = self.live._take

        def take(said: str | bytes, viewer: Any) -> bool:
            if decoded := page_messages.decoded(said):
                self.said.append(decoded)
            return original(said, viewer)

        self.live._take = take  # type: ignore[method-assign]
        server = PageServer(TOKEN, self.port, pages.load(), self.live.serve, lambda: TOKEN)
        listening = await server.serve()
        telling = asyncio.create_task(self.live.tell())
        self._ready.set()
        await self._end.wait()
        telling.cancel()
        listening.close()
        await listening.wait_closed()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    def later(self, function: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(function)

    def send(self, data: bytes, stream: int = STREAM) -> None:
        """One picture, to whoever watches."""
        key = bool(data[1] & KEY)
        caught = data[:1] + bytes([data[1] | CATCHING_UP]) + data[2:]
        self.since[stream] = [caught] if key else [*self.since.get(stream, []), caught]
        self.later(lambda: self.live.picture(stream, data, key))

    def play(self, film: list[bytes], begin: int = 0, per_s: float = 30.0) -> None:
        """A film at its own speed; its pictures count from `begin`."""
        start = time.monotonic()
        for at, picture in enumerate(film):
            self.send(message(begin + at, picture))
            time.sleep(max(0.0, start + (at + 1) / per_s - time.monotonic()))

    # --- gateway.console.live.View ---

    def state(self, browser_dropped: int = 0) -> bytes:
        said = {"type": "state", "now_us": int(time.time() * 1e6), "browser_dropped": browser_dropped}
        return json.dumps({**said, "grounds": self.grounds, "aircraft": self.aircraft}).encode()

    def tracks(self, after: int = 0) -> tuple[list[bytes], int]:
        return [], after

    def stream_id(self, ground: str, device: str, lane: str) -> int | None:
        for one in self.aircraft:
            for stream in one["streams"]:
                if (one["ground"], one["device"], stream["lane"]) == (ground, device, lane):
                    return int(stream["id"])
        return None

    def since_key(self, stream_id: int) -> list[bytes]:
        return self.since.get(stream_id, [])
