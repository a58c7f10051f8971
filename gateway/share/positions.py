"""Positions: the server by which a GIS on this computer gets them. GET /aircraft.geojson, and /positions.jsonl without end.

What lives here: who may ask, and readers. What must not: the forms (geojson.py).

Any program of this computer can connect, and by a browser any page can. So a request must name us by Host (a name that was
made to resolve to this computer is not ours), come from no page, and have the token. Who does not read is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections import Counter
from http import HTTPStatus

from gateway import clock
from gateway.report.log import say
from gateway.report.share_status import OutputReport
from gateway.share import geojson
from gateway.share.positions_settings import Positions
from gateway.share.sightings import Sightings

HOST = "127.0.0.1"
GEOJSON, LINES = "/aircraft.geojson", "/positions.jsonl"
TYPES = {GEOJSON: "application/geo+json", LINES: "application/x-ndjson"}
EVERY_S = 1.0
RETRY_S = 1.0
ASK_WITHIN_S, ANSWER_WITHIN_S = 5.0, 30.0
HEAD_MAX = 8192  # bytes
READERS_MAX = 16
UNREAD_MAX = 1 << 18  # bytes of lines
_SAFE = "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nCross-Origin-Resource-Policy: same-origin\r\n"
_OK, _BAD, _FORBIDDEN = HTTPStatus.OK, HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN
_MISDIRECTED, _MISSING = HTTPStatus.MISDIRECTED_REQUEST, HTTPStatus.NOT_FOUND


def judged(head: bytes, port: int, token: str) -> tuple[HTTPStatus, str]:
    """What a request is answered, and the path that it asks for."""
    first, *rest = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or words[0] != "GET":  # noqa: PLR2004 - method, target, version
        return _BAD, ""
    fields = [(name.strip().lower(), value.strip()) for name, _, value in (field.partition(":") for field in rest if field)]
    if [value.lower() for name, value in fields if name == "host"] not in ([f"{HOST}:{port}"], [f"localhost:{port}"]):
        return _MISDIRECTED, ""
    if any(name == "origin" or (name == "sec-fetch-site" and value != "none") for name, value in fields):
        return _FORBIDDEN, ""
    path, _, query = words[1].partition("?")
    if not hmac.compare_digest(query.encode("latin-1"), f"token={token}".encode()):
        return _FORBIDDEN, path
    return (_OK if path in TYPES else _MISSING), path


class PositionsServer:
    """One `[positions]` of share.toml."""

    def __init__(self, settings: Positions, sightings: Sightings) -> None:
        self._settings, self._sightings = settings, sightings
        self._readers: set[asyncio.StreamWriter] = set()  # of lines
        self._asking = 0
        self._told: dict[tuple[str, str], float] = {}  # by agency and device: the position that was told last
        self._refused: Counter[str] = Counter()
        self._sent = 0
        self._up, self._last_error = False, ""

    async def run(self) -> None:
        """Until cancelled. A port that cannot be bound is tried again."""
        while True:
            try:
                server = await asyncio.start_server(self._serve, HOST, self._settings.port, limit=HEAD_MAX)
            except OSError as error:
                if self._last_error != (text := error.strerror or str(error)):
                    self._last_error = text
                    say("share", f"positions: port {self._settings.port}: {text} (retrying)")
                await asyncio.sleep(RETRY_S)
                continue
            self._up, self._last_error = True, ""
            try:
                while True:
                    self.tell_new()
                    await asyncio.sleep(EVERY_S)
            finally:
                self._up = False
                server.close()
                for reader in [*self._readers]:
                    reader.transport.abort()

    def report(self) -> OutputReport:
        """For `zegel status`."""
        return OutputReport(
            name="positions",
            where=f"http://{HOST}:{self._settings.port}{GEOJSON}",
            up=self._up,
            readers=len(self._readers),
            sent=self._sent,
            refused=dict(self._refused),
            last_error=self._last_error,
            streams=[],
        )

    def tell_new(self) -> None:
        """A line for each position that is newer than the last one."""
        lines = b""
        seen = self._sightings.all()
        for one in seen:
            if self._told.get((one.agency, one.device), float("-inf")) < one.position.at:
                lines += geojson.line(one)
        self._told = {(one.agency, one.device): one.position.at for one in seen}
        for reader in [*self._readers] if lines else ():
            if reader.transport.get_write_buffer_size() > UNREAD_MAX:
                self._refused["too slow"] += 1
                reader.transport.abort()
            else:
                reader.write(lines)
                self._sent += lines.count(b"\n")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._asking >= READERS_MAX:
            self._refused["too many readers"] += 1
            writer.transport.abort()
            return
        self._asking += 1
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
                async with asyncio.timeout(ASK_WITHIN_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                await self._answer(head, reader, writer)
        finally:
            self._asking -= 1
            self._readers.discard(writer)
            writer.transport.abort()

    async def _answer(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        status, path = judged(head, self._settings.port, self._settings.token)
        if status is not _OK:
            self._refused[status.phrase.lower()] += 1
            writer.write(_head(status, "text/plain") + f"{status.phrase}; docs/share.md has the address\n".encode())
        elif path == GEOJSON:
            writer.write(_head(status, TYPES[path]) + geojson.collection(self._sightings.all(), clock.now()))
            self._sent += 1
        else:
            writer.write(_head(status, TYPES[path]))
            self._readers.add(writer)
            while await reader.read(HEAD_MAX):  # nothing more is expected; at its end the reader is gone
                pass
            return
        writer.close()
        async with asyncio.timeout(ANSWER_WITHIN_S):
            await writer.wait_closed()


def _head(status: HTTPStatus, kind: str) -> bytes:
    line = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}; charset=utf-8\r\n"
    return f"{line}{_SAFE}Connection: close\r\n\r\n".encode()
