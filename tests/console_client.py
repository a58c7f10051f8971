"""What stands at the console's door: a `zegel console` of its own, raw requests to it, and a page's socket."""

from __future__ import annotations

import re
import socket
import time
from pathlib import Path
from typing import NamedTuple

from websockets.sync.client import ClientConnection, connect

from gateway.console import door
from gateway.demo.stage import HOST, Program, free_port

WITHIN_S = 20.0
UPGRADE = (
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Version", "13"),
)
LINK = re.compile(r"http://127\.0\.0\.1:\d+/\?token=([\w-]{43})")


class Answer(NamedTuple):
    """What came back; status 0 if the connection was closed without a word."""

    status: int
    head: dict[str, str]
    body: bytes

    @property
    def words(self) -> str:
        """For people."""
        said = self.body.decode(errors="replace").splitlines()
        return f"{self.status} {said[0] if said else ''}".strip() if self.status else "closed without an answer"


class RunningConsole:
    """`zegel console` in a folder with its own runtime folder, which the environment names. Ends with its context."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.port = free_port(socket.SOCK_STREAM)
        self.program = Program(("console", "--port", str(self.port), *words), folder, f"console-{self.port}")
        try:
            self.token = self.wait_for_link()
        except AssertionError:
            self.program.end()
            raise

    def __enter__(self) -> RunningConsole:
        return self

    def __exit__(self, *exc: object) -> None:
        self.program.end()

    @property
    def here(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def origin(self) -> str:
        return f"http://{self.here}"

    @property
    def cookie(self) -> tuple[str, str]:
        return "Cookie", f"{door.COOKIE}={self.token}"

    def wait_for_link(self) -> str:
        until = time.monotonic() + WITHIN_S
        while time.monotonic() < until and self.program.running:
            if found := LINK.search(self.program.output()):
                return found[1]
            time.sleep(0.02)
        raise AssertionError(self.program.output())

    # --- requests ---

    def connection(self) -> socket.socket:
        return socket.create_connection((HOST, self.port), WITHIN_S)

    def ask(self, target: str, *head: tuple[str, str], method: str = "GET", host: str | None = "") -> Answer:
        """One request, with these headers and no others but Host."""
        lines = [f"{method} {target} HTTP/1.1", *([] if host is None else [f"Host: {host or self.here}"])]
        lines += [f"{name}: {value}" for name, value in head]
        return self.say("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def say(self, data: bytes) -> Answer:
        """These bytes, and what comes until the end of the connection or of an answer that has no end (101)."""
        with self.connection() as made:
            try:
                made.sendall(data)
                return read_answer(made)
            except (ConnectionResetError, BrokenPipeError):
                return Answer(0, {}, b"")

    def upgrade(self, *head: tuple[str, str], host: str = "") -> Answer:
        """Ask for the socket."""
        return self.ask(door.LIVE, *UPGRADE, *head, host=host)

    def page(self) -> ClientConnection:
        """The socket of a page that was let in; a context manager."""
        return connect(f"ws://{self.here}{door.LIVE}", origin=self.origin, additional_headers=[self.cookie], proxy=None)

    def raw_page(self, receive_buffer: int | None = None) -> socket.socket:
        """The same, to which bytes can be written as they are, and which reads when it is asked to."""
        made = socket.socket()
        if receive_buffer is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        made.settimeout(WITHIN_S)
        made.connect((HOST, self.port))
        lines = [f"GET {door.LIVE} HTTP/1.1", f"Host: {self.here}", f"Origin: {self.origin}"]
        lines += [f"{name}: {value}" for name, value in (*UPGRADE, self.cookie)]
        made.sendall("\r\n".join([*lines, "", ""]).encode())
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            data += made.recv(1)
        assert data.startswith(b"HTTP/1.1 101"), data
        return made


def read_answer(made: socket.socket) -> Answer:
    """ConnectionResetError."""
    data = b""
    while b"\r\n\r\n" not in data or not data.startswith(b"HTTP/1.1 101"):
        more = made.recv(1 << 16)
        if not more:
            break
        data += more
    if not data:
        return Answer(0, {}, b"")
    first, _, rest = data.partition(b"\r\n")
    names, _, body = rest.partition(b"\r\n\r\n")
    head = dict(line.split(": ", 1) for line in names.decode("latin-1").split("\r\n") if line)
    return Answer(int(first.split()[1]), head, body)
