"""RTSP server: the readers of all streams of this station, for video management systems, players and walls (RFC 2326).

What lives here: listening, the UDP ports, which streams there are, and how many readers. What must not: one reader's
protocol (rtsp_session.py) and packets (rtsp_reader.py), the form of a stream (rtsp_stream.py).
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections import Counter
from dataclasses import dataclass
from urllib.parse import quote

from gateway.endpoints.feed import VIDEO
from gateway.endpoints.feed_reader import Published
from gateway.report.log import say
from gateway.report.share_status import OutputReport
from gateway.share.config import Rtsp
from gateway.share.rtsp_digest import Credentials
from gateway.share.rtsp_reader import Connection, Peer
from gateway.share.rtsp_session import LANES, Place, Refusal
from gateway.share.rtsp_stream import Stream
from keys.printable import printable

READERS_MAX = 8
CONNECTIONS_MAX = 32
STREAMS_MAX = 32  # of a hostile feed
ABSENT_AFTER_S = 10.0  # then a stream is not there, for a new reader
FORGET_AFTER_S = 60.0
OTHER_GROUND_AFTER_S = 1.0  # two grounds of one computer may open the same lane; the second takes over after this silence
RETRY_S = 1.0
CHECK_EVERY_S = 1.0
HANDSHAKE_WITHIN_S = 10.0
LOST = "packets lost by UDP"
REPORT_MAX = 2048  # bytes of a report by UDP
REPORTS_AT_ONCE = 64
UDP_BUFFER = 1 << 20
_LANE_OF = dict(zip(VIDEO, LANES, strict=True))


@dataclass(slots=True)
class _Source:
    """A stream, the ground that brings it, and when its last datagram came."""

    stream: Stream
    ground: str
    heard: float


class RtspServer:
    """One `[rtsp]` of share.toml."""

    def __init__(self, settings: Rtsp) -> None:
        self.credentials = Credentials(settings.user, settings.password, settings.md5)
        self._settings = settings
        self._tls = settings.context()
        self.ports = None if self._tls else (settings.udp_port, settings.udp_port + 1)
        self._sources: dict[Place, _Source] = {}
        self._connections: dict[Connection, None] = {}  # the oldest is first
        self._udp: list[socket.socket] = []  # for packets, and for reports
        self._refused: Counter[str] = Counter()
        self._up, self._last_error = False, ""
        self._sent = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    # --- what the feed brings ---

    def take(self, ground: str, message: Published) -> None:
        """A message of the feed; only video is used."""
        lane = _LANE_OF.get(message.topic)
        if lane is None or self._loop is None:
            return
        place, now = Place(message.origin.device, lane), self._loop.time()
        source = self._sources.get(place)
        if source is None:
            if len(self._sources) >= STREAMS_MAX:
                return
            source = self._sources[place] = _Source(Stream(place, secrets.randbits), ground, now)
        elif source.ground != ground:
            if now - source.heard < OTHER_GROUND_AFTER_S:
                return
            source.ground = ground
        source.heard = now
        session, time_us = f"{ground} {message.origin.session}", message.origin.time_us
        packets = [packet for data in message.datagrams for packet in source.stream.take(data, session, time_us)]
        if packets:
            for one in [one for one in self._connections if one.playing is source.stream]:
                one.deliver(source.stream, packets)
                self._sent += len(packets)

    # --- what a connection needs (rtsp_reader.House) ---

    def stream(self, place: Place) -> Stream | None:
        source = self._sources.get(place)
        if source is None or self._loop is None or self._loop.time() - source.heard > ABSENT_AFTER_S:
            return None
        return source.stream

    def join(self, one: Connection) -> bool:
        """The oldest that has not logged in makes room."""
        if len(self._connections) >= CONNECTIONS_MAX:
            waiting = next((other for other in self._connections if not other.session.logged_in), None)
            if waiting is None:
                return False
            waiting.drop(Refusal.CONNECTIONS)
            self.leave(waiting)
        self._connections[one] = None
        return True

    def leave(self, one: Connection) -> None:
        self._connections.pop(one, None)

    def has_seat(self) -> bool:
        return self._readers() < READERS_MAX

    def refused(self, why: Refusal) -> None:
        self._refused[why] += 1

    def send(self, packet: bytes, peer: Peer, *, report: bool = False) -> None:
        try:
            self._udp[report].sendto(packet, peer)
        except (OSError, IndexError):  # no room, no route: as with any datagram
            self._refused[LOST] += 1

    # --- the loop ---

    async def run(self) -> None:
        """Until cancelled. An address that cannot be bound is tried again."""
        self._loop = asyncio.get_running_loop()
        server = await self._bound(self._loop)
        try:
            while True:
                await asyncio.sleep(CHECK_EVERY_S)
                self._check(self._loop.time())
        finally:
            self._up = False
            server.close()
            for one in list(self._connections):
                one.end()
            self._close_udp(self._loop)

    def report(self) -> OutputReport:
        """For `zegel status`."""
        there = [source for place, source in self._sources.items() if self.stream(place)]
        return OutputReport(
            name="rtsp",
            where=self._settings.url(),
            up=self._up,
            readers=self._readers(),
            sent=self._sent,
            refused=dict(self._refused),
            last_error=self._last_error,
            streams=[_named(source.stream) for source in there],
        )

    def url_of(self, device: str, address: str | None = None) -> str:
        """Of the first lane of this aircraft that can be had now; empty if none. `address`: as Rtsp.url has it."""
        for lane in LANES:
            stream = self.stream(Place(device, lane))
            if stream is not None and stream.content is not None:
                return f"{self._settings.url(address)}{quote(device, safe='')}/{lane}"
        return ""

    def _readers(self) -> int:
        return sum(one.seated for one in self._connections)

    def _check(self, now: float) -> None:
        for one in list(self._connections):
            one.check(now)
        played = {one.playing for one in self._connections}
        for place, source in list(self._sources.items()):
            if source.stream not in played and now - source.heard > FORGET_AFTER_S:
                del self._sources[place]

    async def _bound(self, loop: asyncio.AbstractEventLoop) -> asyncio.Server:
        host, port = self._settings.place()
        while True:
            try:
                if self.ports:
                    self._udp = [_udp_socket(host, number) for number in self.ports]
                    loop.add_reader(self._udp[1], self._take_reports, self._udp[1])
                handshake = HANDSHAKE_WITHIN_S if self._tls else None
                server = await loop.create_server(
                    lambda: Connection(self), host, port, ssl=self._tls, ssl_handshake_timeout=handshake
                )
            except OSError as error:
                self._close_udp(loop)
                if self._last_error != (text := error.strerror or str(error)):
                    self._last_error = text
                    say("share", f"rtsp: {self._settings.address}: {text} (retrying)")
                await asyncio.sleep(RETRY_S)
            else:
                self._up, self._last_error = True, ""
                return server

    def _take_reports(self, udp: socket.socket) -> None:
        """A report of a reader is a sign of life; its content is not used."""
        for _ in range(REPORTS_AT_ONCE):
            try:
                _, (host, port, *_) = udp.recvfrom(REPORT_MAX)
            except OSError:
                return
            for one in self._connections:
                if one.is_at(host, port) and self._loop:
                    one.session.reported(self._loop.time())

    def _close_udp(self, loop: asyncio.AbstractEventLoop) -> None:
        for one in self._udp:
            loop.remove_reader(one)
            one.close()
        self._udp = []


def _udp_socket(host: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UDP_BUFFER)
        made.bind((host, port))
    except OSError as error:
        made.close()
        raise OSError(error.errno, f"UDP port {port}: {error.strerror}") from None
    return made


def _named(stream: Stream) -> str:
    name = printable(f"{stream.place.device}/{stream.place.lane}")
    if stream.content is None:
        return (
            f"{name} (not shared: its form is not RTP with H.264 or H.265, nor MPEG-TS)"
            if stream.unshared
            else f"{name} (...)"
        )
    return f"{name} ({stream.content.value})"
