"""The demo's camera: a clip of H.264, sent as RTP like that of an encoder aboard.

What lives here: the part of RFC 6184 that one encoder needs, in the non-interleaved mode (packetization-mode=1). What must
not: an encoder, a decoder. The clip is an Annex B byte stream (H.264 annex B) in which an access unit delimiter begins
each picture and the parameter sets precede each IDR picture.
"""

from __future__ import annotations

import re
import secrets
import shlex
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from gateway.demo.tape import Tape

CLIP = Path(__file__).parent / "data" / "clip.h264"
SDP = CLIP.with_suffix(".sdp")
FPS = 25
CLOCK_HZ = 90_000  # RFC 6184 section 8.2.1
PAYLOAD_TYPE = 96  # the first dynamic one (RFC 3551 section 6)
PACKET_MAX = 1200

RTP_HEADER = struct.Struct(">BBHII")  # V=2, marker and type, sequence number, timestamp, SSRC (RFC 3550 section 5.1)
RTP_VERSION = 2 << 6
MARKER = 0x80
PAYLOAD_MAX = PACKET_MAX - RTP_HEADER.size

ACCESS_UNIT_DELIMITER = 9  # nal_unit_type (H.264 table 7-1)
FU_A = 28
TYPE_BITS, IMPORTANCE_BITS = 0x1F, 0xE0  # of a NAL unit's first byte; F and NRI pass to its fragments
FU_START, FU_END = 0x80, 0x40

_START_CODE = re.compile(rb"\x00{2,}\x01")


def nal_units(stream: bytes) -> list[bytes]:
    """The NAL units of an Annex B byte stream, without their start codes."""
    return _START_CODE.split(stream)[1:]


def pictures(units: list[bytes]) -> list[list[bytes]]:
    """NAL units by picture; a delimiter begins each."""
    out: list[list[bytes]] = []
    for unit in units:
        if unit[0] & TYPE_BITS == ACCESS_UNIT_DELIMITER:
            out.append([])
        out[-1].append(unit)
    return out


def payloads(unit: bytes) -> Iterator[bytes]:
    """RTP payloads of one NAL unit: itself (RFC 6184 section 5.6), or fragments if it is too large (section 5.8)."""
    if len(unit) <= PAYLOAD_MAX:
        yield unit
        return
    indicator, kind = unit[0] & IMPORTANCE_BITS | FU_A, unit[0] & TYPE_BITS
    size = PAYLOAD_MAX - 2
    for at in range(1, len(unit), size):
        start = FU_START if at == 1 else 0
        end = FU_END if at + size >= len(unit) else 0
        yield bytes((indicator, start | end | kind)) + unit[at : at + size]


class Camera:
    """Sends the clip to `address` at its own pace; at its end it starts again, in the same RTP stream.

    `sent`  (time, datagram) of all packets
    """

    def __init__(self, address: tuple[str, int], clip: bytes | None = None) -> None:
        taken = pictures(nal_units(CLIP.read_bytes() if clip is None else clip))
        # (index of its picture, marker, payload) of each packet of a round
        self._packets = [packet for place, units in enumerate(taken) for packet in _of_picture(place, units)]
        self._pictures = len(taken)
        self._tape = Tape([place / FPS for place, _, _ in self._packets], len(taken) / FPS)
        # Random, as RFC 3550 section 5.1 asks.
        self._ssrc, self._first, self._began = secrets.randbits(32), secrets.randbits(16), secrets.randbits(32)
        self._address = address
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sent: list[tuple[float, bytes]] = []

    def play(self, now: float) -> None:
        """Send what is due at `now`, seconds of the monotonic clock."""
        for number in self._tape.due(now):
            packet = self._packet(number)
            self._socket.sendto(packet, self._address)
            self.sent.append((now, packet))

    def packets_sent(self) -> list[bytes]:
        return [packet for _, packet in self.sent]

    def close(self) -> None:
        self._socket.close()

    def _packet(self, number: int) -> bytes:
        done, at = divmod(number, len(self._packets))
        place, marker, payload = self._packets[at]
        sequence = (self._first + number) & 0xFFFF
        timestamp = (self._began + (done * self._pictures + place) * CLOCK_HZ // FPS) & 0xFFFFFFFF
        return RTP_HEADER.pack(RTP_VERSION, marker | PAYLOAD_TYPE, sequence, timestamp, self._ssrc) + payload


def player() -> str:
    """The command line, from this folder, of a player for port 5600.

    ffplay opens the addresses in a file only by the protocols on its command line.
    """
    here = SDP.relative_to(Path.cwd()) if SDP.is_relative_to(Path.cwd()) else SDP
    return f"ffplay -protocol_whitelist file,udp,rtp {shlex.quote(str(here))}"


def _of_picture(place: int, units: list[bytes]) -> list[tuple[int, int, bytes]]:
    """Packets of one picture; the last of them carries the marker (RFC 6184 section 5.1)."""
    parts = [payload for unit in units for payload in payloads(unit)]
    return [*((place, 0, part) for part in parts[:-1]), (place, MARKER, parts[-1])]
