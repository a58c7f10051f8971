"""A stranger's own ZeroMQ: ZMTP 3.0 by hand (rfc.zeromq.org/spec/23), for what no library of it would send."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
COMMAND = 0x04
TIMEOUT_S = 30


def frame(body: bytes, flags: int = 0) -> bytes:
    if len(body) < 256:
        return bytes([flags, len(body)]) + body
    return bytes([flags | 2]) + len(body).to_bytes(8, "big") + body


def ready(kind: bytes = b"SUB") -> bytes:
    """The command that ends a handshake, of a socket of this kind."""
    return frame(b"\x05READY\x0bSocket-Type" + len(kind).to_bytes(4, "big") + kind, COMMAND)


class Stranger:
    """A connection that has shaken hands as a subscriber, and says what it likes then."""

    def __init__(self, where: tuple[str, int] | Path) -> None:
        """At a host's port, or at a socket in the file system."""
        if isinstance(where, Path):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(TIMEOUT_S)
            self.socket.connect(str(where))
        else:
            self.socket = socket.create_connection(where, TIMEOUT_S)
        self.socket.sendall(GREETING + ready())
        self.heard = b""
        while b"READY" not in self.heard:
            if not (data := self.socket.recv(4096)):
                raise ConnectionError("it was ended before it had shaken hands")
            self.heard += data

    def says(self, *messages: bytes) -> None:
        with contextlib.suppress(OSError):  # it may have been hung up on
            self.socket.sendall(b"".join(map(frame, messages)))

    def disconnected(self) -> bool:
        """Whether the other side has ended the connection, within `TIMEOUT_S`."""
        try:
            while data := self.socket.recv(1 << 16):
                self.heard += data
        except TimeoutError:
            return False
        except OSError:
            return True
        return True

    def close(self) -> None:
        self.socket.close()
