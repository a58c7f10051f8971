"""RTSP reader: one connection with its session, and the packets that go to it, within the connection or by UDP.

What lives here: what is sent when, how far behind a reader may be, and its reports. What must not: the protocol
(rtsp_session.py), listening (rtsp_server.py). No reader waits for another: one that does not read is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections import deque
from collections.abc import Sequence
from typing import Protocol, TypeAlias

from gateway.core.barrier import place_of
from gateway.report.log import say
from gateway.share import rtcp
from gateway.share.rtsp_digest import NONCE_SIZE, Credentials, Digest
from gateway.share.rtsp_session import First, Place, Refusal, Seat, Session, State
from gateway.share.rtsp_stream import Stream
from gateway.video.rtp import HEADER_SIZE

BEHIND_MAX = 1 << 20  # bytes that a reader has not read; what it catches up with is not counted: 2 s at 4 Mbit/s
IN_KERNEL = 256 << 10  # of these
REPORT_EVERY_S = 5.0  # RFC 3550 section 6.2
LAST_WORD_S = 0.5
AT_ONCE, AGAIN_S = 16, 0.002  # packets by UDP, while a reader catches up: the buffer of its socket has room for them
WAITING_MAX = 16_384  # packets, while it does
SESSION_ID_SIZE = 8  # bytes

Peer: TypeAlias = tuple[str | int, ...]  # as Python has addresses: the host, then the port


class House(Protocol):
    """What a connection needs of its server. `ports` of UDP; None with TLS, which UDP would go around."""

    credentials: Credentials
    ports: tuple[int, int] | None

    def stream(self, place: Place) -> Stream | None:
        """One that is there now."""

    def join(self, one: Connection) -> bool:
        """Whether there is room for another connection."""

    def leave(self, one: Connection) -> None: ...

    def has_seat(self) -> bool:
        """Whether there is room for another reader."""

    def refused(self, why: Refusal) -> None: ...

    def send(self, packet: bytes, peer: Peer, *, report: bool = False) -> None:
        """By UDP; a packet that the kernel has no room for is lost."""


class Connection(asyncio.Protocol):
    """`session`, and `playing`: the stream whose packets go to it. `sent`: packets of it."""

    def __init__(self, house: House) -> None:
        self._house, self._loop = house, asyncio.get_running_loop()
        digest = Digest(house.credentials, secrets.token_hex(NONCE_SIZE))
        udp = house.ports is not None
        self.session = Session(self, digest, lambda: secrets.token_hex(SESSION_ID_SIZE), self._loop.time(), udp=udp)
        self.playing: Stream | None = None
        self.sent = 0
        self._octets = 0
        self._ssrc: int | None = None  # that it was told
        self._wire: asyncio.Transport | None = None
        self._peer: Peer = ()
        self._first: list[bytes] = []
        self._waiting: deque[bytes] = deque()  # by UDP, while it catches up
        self._allowed = BEHIND_MAX
        self._report_at = 0.0

    @property
    def seated(self) -> bool:
        """It is one of the readers."""
        return self.session.transport is not None and self.session.state is not State.ENDED

    # --- asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._wire = transport
        self._peer = tuple(transport.get_extra_info("peername") or ("", 0))
        with contextlib.suppress(OSError):  # it has just been reset
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, IN_KERNEL)
        if not self._house.join(self):
            self.drop(Refusal.CONNECTIONS)

    def data_received(self, data: bytes) -> None:
        if self._wire is None or self._wire.is_closing():
            return
        try:
            self.session.feed(data, self._loop.time())
            self._act(self._wire)
        except Exception as error:  # the barrier: one reader's bytes never end the process
            say("share", f"rtsp: unexpected {place_of(error)}")
            self.drop(Refusal.MALFORMED)

    def connection_lost(self, _: Exception | None) -> None:
        self.session.state = State.ENDED
        self._stop()
        self._house.leave(self)

    def drop(self, why: Refusal) -> None:
        """End it at once, and count it."""
        self._house.refused(why)
        self.session.state = State.ENDED
        self._stop()
        if self._wire:
            self._wire.abort()

    # --- what the session asks (rtsp_session.Server) ---

    def describe(self, place: Place) -> str | None:
        stream = self._house.stream(place)
        return stream.description() if stream else None

    def admit(self, place: Place) -> Seat | None:
        stream = self._house.stream(place)
        if stream is None or not (self.seated or self._house.has_seat()):
            return None
        self._ssrc = stream.ssrc
        return Seat(self._house.ports or (0, 0), stream.ssrc)

    def begin(self) -> First | None:
        stream = self._house.stream(self.session.place) if self.session.place else None
        self._first = stream.since_key() if stream else []
        return stream.first(self._first) if stream else None

    def refused(self, why: Refusal) -> None:
        self._house.refused(why)

    # --- what goes out ---

    def deliver(self, stream: Stream, packets: Sequence[bytes]) -> None:
        """Packets of the stream that it plays."""
        if stream.ssrc != self._ssrc:
            self.drop(Refusal.CHANGED)
            return
        self.sent += len(packets)
        self._octets += sum(map(len, packets)) - HEADER_SIZE * len(packets)
        transport = self.session.transport
        if transport is None or self._wire is None:
            return
        if transport.interleaved:
            self._wire.write(b"".join(_framed(transport.rtp, packet) for packet in packets))
            self._look_how_far_behind()
        elif self._waiting:
            self._waiting.extend(packets)
            if len(self._waiting) > WAITING_MAX:
                self.drop(Refusal.SLOW)
        else:
            for packet in packets:
                self._house.send(packet, self._address(transport.rtp))

    def check(self, now: float) -> None:
        """About once a second: whether it is still there, and its report."""
        if self._wire is None or self._wire.is_closing():
            return
        self.session.check(now)
        self._act(self._wire)
        if self.playing is not None and now >= self._report_at:
            self._report(self.playing, now)

    def end(self) -> None:
        """The server ends."""
        if self._wire:
            self._end(self._wire)

    def is_at(self, host: str, port: int) -> bool:
        """Whether a report that came by UDP is its own."""
        transport = self.session.transport
        return transport is not None and not transport.interleaved and (self._peer[0], transport.rtcp) == (host, port)

    def _act(self, wire: asyncio.Transport) -> None:
        """Do what the session decided."""
        if out := self.session.output():
            wire.write(out)
        if self.session.state is State.ENDED:
            self._end(wire)
        elif self.session.state is not State.PLAYING:
            self._stop()
        elif self.playing is None:
            self._start()
        self._look_how_far_behind()

    def _start(self) -> None:
        stream = self._house.stream(self.session.place) if self.session.place else None
        transport = self.session.transport
        if stream is None or transport is None:  # it ended in between; the reader's next request says so
            return
        self.playing = stream
        self._report(stream, self._loop.time())
        first, self._first = self._first, []
        if not transport.interleaved:
            self._waiting.extend(first)
            self.sent += len(first)
            self._catch_up()
        elif first:
            self._allowed = BEHIND_MAX + sum(map(len, first))
            self.deliver(stream, first)

    def _stop(self) -> None:
        self.playing = None
        self._waiting.clear()

    def _end(self, wire: asyncio.Transport) -> None:
        """A reader gets a moment to read the last answer."""
        if self.playing is not None:
            self._send_report(rtcp.goodbye(*self._told(self.playing)))
        self._stop()
        if not wire.is_closing():
            wire.close()
            self._loop.call_later(LAST_WORD_S, wire.abort)

    def _catch_up(self) -> None:
        transport = self.session.transport
        if transport is None:
            return
        for _ in range(min(AT_ONCE, len(self._waiting))):
            self._house.send(self._waiting.popleft(), self._address(transport.rtp))
        if self._waiting:
            self._loop.call_later(AGAIN_S, self._catch_up)

    def _look_how_far_behind(self) -> None:
        unread = self._wire.get_write_buffer_size() if self._wire else 0
        if unread > self._allowed:
            self.drop(Refusal.SLOW)
        elif unread < BEHIND_MAX:
            self._allowed = BEHIND_MAX

    def _report(self, stream: Stream, now: float) -> None:
        self._report_at = now + REPORT_EVERY_S
        self._send_report(rtcp.sender_report(*self._told(stream)))

    def _told(self, stream: Stream) -> tuple[int, int, int, int, int]:
        time_us, timestamp = stream.newest
        return stream.ssrc, time_us, timestamp, self.sent, self._octets

    def _send_report(self, report: bytes) -> None:
        transport = self.session.transport
        if transport is None or self._wire is None:
            return
        if transport.interleaved:
            self._wire.write(_framed(transport.rtcp, report))
        else:
            self._house.send(report, self._address(transport.rtcp), report=True)

    def _address(self, port: int) -> Peer:
        return (self._peer[0], port, *self._peer[2:])


def _framed(channel: int, packet: bytes) -> bytes:
    """RFC 2326 section 10.12."""
    return b"$" + bytes((channel,)) + len(packet).to_bytes(2, "big") + packet
