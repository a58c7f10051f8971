"""TAK: the events of all aircraft, once a second, to a network or to a TAK server.

What lives here: the second, and what is new in it; the sockets. What must not: the form of an event (cot.py).

An event is sent only for a position that is new: when the telemetry stops, so does this, and clients mark what they last
had as stale. What a server sends is not used. A server that does not read loses events, which are counted.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Callable

from gateway import clock
from gateway.report.log import say
from gateway.report.share_status import OutputReport
from gateway.share import cot
from gateway.share.sightings import Sighting, Sightings
from gateway.share.tak_settings import Tak
from keys.printable import printable

EVERY_S = 1.0
OLD_AFTER_S = 2.0  # a position that could not be sent by then is not sent
RETRY_S = 5.0
CONNECT_WITHIN_S = 15.0
STANDS_AFTER_S = 3.0  # a server that refuses our certificate says so after the handshake (RFC 8446 section 4.4.2.4)
UNREAD_MAX = 1 << 16  # bytes
ANSWER_WITHIN_S = 20.0  # then a server that acknowledges nothing is gone
KNOWN_MAX = 256
UNREAD, UNSENT = "events not read by the server", "events that could not be sent"
ENDED = "the server has ended the connection"
AT_ONCE = ": it may not accept our certificate"
VideoOf = Callable[[str], str]


class TakOutput:
    """One `[tak]` of share.toml. `video_of` gives the address of an aircraft's video; empty if there is none."""

    def __init__(self, settings: Tak, sightings: Sightings, video_of: VideoOf) -> None:
        self._settings, self._sightings, self._video_of = settings, sightings, video_of
        self._link: _Udp | _Tls = _Tls(settings) if settings.place().tls else _Udp(settings)
        self._told: dict[str, float] = {}  # by uid: the position that was sent last
        self._sent = 0

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._link.keep())
            group.create_task(self._each_second())

    def report(self) -> OutputReport:
        """For `zegel status`."""
        return OutputReport(
            name="tak",
            where=self._settings.url,
            up=self._link.up,
            readers=None,
            sent=self._sent,
            refused=dict(self._link.refused),
            last_error=self._link.last_error,
            streams=[printable(one.device) for one in self._sightings.all() if self._is_now(one)],
        )

    def send_new(self) -> None:
        """One event for each aircraft whose position is newer than the last one that was sent."""
        for one in self._sightings.all():
            name = cot.uid(one.agency, one.device)
            if not self._is_now(one) or self._told.get(name, float("-inf")) >= one.position.at:
                continue
            if self._link.send(cot.event(one, self._video_of(one.device))):
                self._sent += 1
            if len(self._told) >= KNOWN_MAX:
                self._told.clear()
            self._told[name] = one.position.at

    def _is_now(self, one: Sighting) -> bool:
        return clock.now() - one.position.at <= OLD_AFTER_S

    async def _each_second(self) -> None:
        while True:
            self.send_new()
            await asyncio.sleep(EVERY_S)


class _Link:
    """`last_error` stays until the link has stood for a while, so that it is told once."""

    def __init__(self, settings: Tak) -> None:
        self.settings, self.place = settings, settings.place()
        self.up, self.last_error = False, ""
        self.refused: Counter[str] = Counter()

    def down(self, why: str) -> None:
        self.up = False
        if self.last_error != why:
            self.last_error = why
            say("share", f"tak: {self.settings.url}: {why} (retrying)")


class _Udp(_Link):
    """Datagrams, of one event each."""

    _socket: socket.socket | None = None

    def send(self, data: bytes) -> bool:
        try:
            if self._socket is not None:
                self._socket.sendto(data, (self.place.host, self.place.port))
                return True
        except OSError as error:
            self.last_error = error.strerror or str(error)
        self.refused[UNSENT] += 1
        return False

    async def keep(self) -> None:
        """Until cancelled. An interface that is not there yet is tried again."""
        while True:
            try:
                with self._opened() as self._socket:
                    self.up, self.last_error = True, ""
                    await asyncio.Event().wait()
            except OSError as error:
                self.down(error.strerror or str(error))
                await asyncio.sleep(RETRY_S)
            finally:
                self.up, self._socket = False, None

    def _opened(self) -> socket.socket:
        made = socket.socket(socket.AF_INET6 if ":" in self.place.host else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            made.setblocking(False)
            if self.settings.interface is not None:
                address = socket.inet_aton(self.settings.interface)
                made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, address)
                made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)  # this network, and no other
        except OSError:
            made.close()
            raise
        return made


class _Tls(_Link, asyncio.Protocol):
    """A connection to a TAK server, of one event behind another."""

    def __init__(self, settings: Tak) -> None:
        super().__init__(settings)
        self._context = settings.context()
        self._transport: asyncio.Transport | None = None
        self._ended = asyncio.Event()
        self._why = ""

    def send(self, data: bytes) -> bool:
        if self._transport is None:
            self.refused[UNSENT] += 1
        elif self._transport.get_write_buffer_size() > UNREAD_MAX:
            self.refused[UNREAD] += 1
        else:
            self._transport.write(data)
            return True
        return False

    async def keep(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await self._once()
                await asyncio.sleep(RETRY_S)
        finally:
            self.up = False
            if self._transport is not None:
                self._transport.abort()

    async def _once(self) -> None:
        self._ended.clear()
        name = self.settings.server_name or self.place.host
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                await asyncio.get_running_loop().create_connection(
                    lambda: self, self.place.host, self.place.port, ssl=self._context, server_hostname=name
                )
        except (OSError, ssl.SSLError, TimeoutError) as error:
            return self.down(_in_words(error, name))
        self.up = True
        try:
            async with asyncio.timeout(STANDS_AFTER_S):
                await self._ended.wait()
        except TimeoutError:
            self.last_error = ""
            await self._ended.wait()
            return self.down(self._why)
        return self.down(f"{self._why}, at once{AT_ONCE if self._why == ENDED else ''}")

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            link = transport.get_extra_info("socket")
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(ANSWER_WITHIN_S * 1000))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._why = _in_words(exc, "") if exc else ENDED
        self._ended.set()


def _in_words(error: Exception, name: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        text = f"the certificate of the server is not accepted: {error.verify_message}"
        return f"{text} (authority, or server_name, which is {printable(name, 128)})"
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or str(error)).replace("_", " ").lower()
        return f"the server refuses our certificate: {reason}" if "alert" in reason else f"TLS: {reason}"
    if isinstance(error, TimeoutError) and not error.errno:
        return f"no answer within {CONNECT_WITHIN_S:.0f} s"
    strerror = getattr(error, "strerror", None)
    return str(strerror or error)
