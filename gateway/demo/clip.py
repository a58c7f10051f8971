"""The demo's camera: a clip of H.264, sent as RTP like that of an encoder aboard.

What lives here: the clip and its pace. What must not: an encoder, a decoder. The clip is an Annex B byte stream (H.264
annex B); the parameter sets precede each IDR picture.
"""

from __future__ import annotations

import secrets
import shlex
import socket
from pathlib import Path

from gateway.demo.tape import Tape
from gateway.video.annexb import Splitter
from gateway.video.nal import AccessUnit
from gateway.video.packetiser import Packetiser
from gateway.video.rtp import CLOCK_HZ

CLIP = Path(__file__).parent / "data" / "clip.h264"
SDP = CLIP.with_suffix(".sdp")
FPS = 25


def pictures(stream: bytes) -> list[AccessUnit]:
    splitter = Splitter("h264")
    return splitter.feed(stream, 0.0) + splitter.flush()


class Camera:
    """Sends the clip to `address` at its own pace; at its end it starts again, in the same RTP stream.

    `sent`  (time, datagram) of all packets
    """

    def __init__(self, address: tuple[str, int], clip: bytes | None = None) -> None:
        self._pictures = pictures(CLIP.read_bytes() if clip is None else clip)
        self._tape = Tape([place / FPS for place in range(len(self._pictures))], len(self._pictures) / FPS)
        # Random, as RFC 3550 section 5.1 asks.
        self._packetiser = Packetiser("h264", secrets.randbits(32), secrets.randbits(16))
        self._began = secrets.randbits(32)
        self._address = address
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sent: list[tuple[float, bytes]] = []

    def play(self, now: float) -> None:
        """Send what is due at `now`, seconds of the monotonic clock."""
        for number in self._tape.due(now):
            picture = self._pictures[number % len(self._pictures)]
            for packet in self._packetiser.packets(picture, self._began + number * CLOCK_HZ // FPS):
                self._socket.sendto(packet, self._address)
                self.sent.append((now, packet))

    def packets_sent(self) -> list[bytes]:
        return [packet for _, packet in self.sent]

    def close(self) -> None:
        self._socket.close()


def player() -> str:
    """The command line, from this folder, of a player for port 5600.

    ffplay opens the addresses in a file only by the protocols on its command line.
    """
    here = SDP.relative_to(Path.cwd()) if SDP.is_relative_to(Path.cwd()) else SDP
    return f"ffplay -protocol_whitelist file,udp,rtp {shlex.quote(str(here))}"
