"""Scrape: the HTTP by which Prometheus asks for the metrics. GET /metrics, and nothing else.

Any program of this computer can connect, and by a browser any page can (DNS rebinding). So a request must name this
computer by an address or as localhost, a client has ASK_WITHIN_S for its whole request, and there are CLIENTS_MAX at most.
"""

from __future__ import annotations

import http.server
import io
import ipaddress
import re
import socket
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from gateway.report.log import say

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
ASK_WITHIN_S = 5.0  # for a whole request, also if a client sends it letter by letter
CLIENTS_MAX = 16
_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9.-]+))(?::\d{1,5})?")


def names_us(host: str, bound: str) -> bool:
    """Whether a Host header names this computer: localhost, a loopback address, or `bound`, which the client reached.

    No other name is accepted: a page whose own name was made to resolve to this computer sends that name.
    """
    place = _HOST.fullmatch(host)
    if place is None:
        return False
    name = place["v6"] or place["name"]
    if name.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address == ipaddress.ip_address(bound)


class _Until(io.RawIOBase):
    """Reads of a socket until a moment on the monotonic clock; TimeoutError after it."""

    def __init__(self, made: socket.socket, until: float) -> None:
        self._made, self._until = made, until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if (left := self._until - time.monotonic()) <= 0:
            raise TimeoutError
        self._made.settimeout(left)
        return self._made.recv_into(buffer)


class _Handler(http.server.BaseHTTPRequestHandler):
    timeout = ASK_WITHIN_S
    body: Callable[[], str]

    def setup(self) -> None:
        super().setup()
        self.rfile = io.BufferedReader(_Until(self.connection, time.monotonic() + ASK_WITHIN_S))

    def do_GET(self) -> None:
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or not names_us(hosts[0], self.connection.getsockname()[0]):
            self.send_error(
                HTTPStatus.MISDIRECTED_REQUEST,
                explain="ask by the address of this computer, as http://127.0.0.1:9477/metrics",
            )
            return
        if self.path.partition("?")[0] not in {"/metrics", "/"}:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        body = type(self).body().encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """A line for each scrape would fill the journal."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 2 * CLIENTS_MAX

    def __init__(self, *args: Any) -> None:
        self._room = threading.Semaphore(CLIENTS_MAX)
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._room.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, *_: object) -> None:
        """A client that disconnects is worth no line."""


def server(host: str, port: int, body: Callable[[], str]) -> http.server.ThreadingHTTPServer:
    """A server that answers with `body()`."""
    return _Server((host, port), type("Handler", (_Handler,), {"body": staticmethod(body)}))


def serve(host: str, port: int, body: Callable[[], str]) -> None:
    """Answer with `body()` until the end of the process."""
    with server(host, port, body) as made:
        say("metrics", f"http://{host}:{made.server_port}/metrics")
        made.serve_forever()
