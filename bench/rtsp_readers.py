"""RTSP readers: connections to `zegel share` that take packets and note when each came.

What lives here: the requests of one reader, with digest, and its packets. What must not: what the times mean
(bench.measures.share).
"""

from __future__ import annotations

import hashlib
import re
import socket
import time

USER, PASSWORD = "bench", "only for this measurement"
READ_MAX = 1 << 18
HEAD = 4  # of a packet within the connection (RFC 2326 section 10.12)
_RTP_CHANNEL = 0


class RtspReader:
    """One reader of `url`, by TCP. `came`: (time in ns of the monotonic clock, packet) of all packets of RTP."""

    def __init__(self, url: str, address: tuple[str, int]) -> None:
        self.came: list[tuple[int, bytes]] = []
        self._url, self._number, self._nonce, self._session = url, 0, "", ""
        self._rest = b""
        self.socket = socket.create_connection(address, 5.0)
        self._ask("DESCRIBE")
        assert self._ask("DESCRIBE").startswith("RTSP/1.0 200"), "the stream is not there"
        answer = self._ask("SETUP", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
        self._session = re.findall(r"Session: (\w+)", answer)[0]
        self._ask("PLAY")
        self.socket.setblocking(False)

    def take(self) -> None:
        """What has come by now."""
        try:
            data = self.socket.recv(READ_MAX)
        except BlockingIOError:
            return
        now = time.monotonic_ns()
        data, at = self._rest + data, 0
        while len(data) >= at + HEAD and len(data) >= (end := at + HEAD + int.from_bytes(data[at + 2 : at + 4], "big")):
            if data[at + 1] == _RTP_CHANNEL:
                self.came.append((now, data[at + HEAD : end]))
            at = end
        self._rest = data[at:]

    def close(self) -> None:
        self.socket.close()

    def _ask(self, method: str, *headers: str) -> str:
        self._number += 1
        lines = [f"{method} {self._url} RTSP/1.0", f"CSeq: {self._number}", *headers]
        lines += [f"Session: {self._session}"] if self._session else []
        lines += [f"Authorization: {self._login(method)}"] if self._nonce else []
        self.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
        return self._answer()

    def _answer(self) -> str:
        data = self._rest
        while b"\r\n\r\n" not in data:
            data += self.socket.recv(READ_MAX)
        head, _, data = data.partition(b"\r\n\r\n")
        size = int((re.findall(rb"Content-Length: (\d+)", head) or [b"0"])[0])
        while len(data) < size:
            data += self.socket.recv(READ_MAX)
        self._rest = data[size:]
        self._nonce = self._nonce or re.findall(r'nonce="(\w+)"', head.decode())[0]
        return head.decode()

    def _login(self, method: str) -> str:
        first, second = (_digest(text) for text in (f"{USER}:zegel:{PASSWORD}", f"{method}:{self._url}"))
        said = f'Digest username="{USER}", realm="zegel", nonce="{self._nonce}", uri="{self._url}"'
        return f'{said}, response="{_digest(f"{first}:{self._nonce}:{second}")}"'


def _digest(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
