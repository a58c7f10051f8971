"""An RTSP client of the tests: requests with digest, and what came back. It shares no code with the server."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Literal

URL = "rtsp://127.0.0.1:8554/uav%201/a"
PLACE = ("uav 1", "a")
USER, PASSWORD = "wall", "correct horse battery"
TCP = "RTP/AVP/TCP;unicast;interleaved=0-1"
Algorithm = Literal["MD5", "SHA-256", ""]
_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256, "": hashlib.md5}


@dataclass
class Answer:
    code: int
    headers: dict[str, str]
    body: str


@dataclass
class Received:
    """Of a connection: answers, and packets by channel."""

    answers: list[Answer] = field(default_factory=list)
    packets: dict[int, list[bytes]] = field(default_factory=dict)
    rest: bytes = b""

    def feed(self, data: bytes) -> None:
        self.rest += data
        while self.rest:
            if self.rest[:1] == b"$":
                size = 4 + int.from_bytes(self.rest[2:4], "big")
                if len(self.rest) < max(4, size):
                    return
                self.packets.setdefault(self.rest[1], []).append(self.rest[4:size])
            else:
                head, end, after = self.rest.partition(b"\r\n\r\n")
                if not end:
                    return
                first, *lines = head.decode().split("\r\n")
                headers: dict[str, str] = {}
                for name, _, value in (line.partition(": ") for line in lines):
                    headers[name.lower()] = f"{headers[name.lower()]}\n{value}" if name.lower() in headers else value
                length = int(headers.get("content-length", 0))
                if len(after) < length:
                    return
                self.answers.append(Answer(int(first.split()[1]), headers, after[:length].decode()))
                size = len(head) + 4 + length
            self.rest = self.rest[size:]

    @property
    def last(self) -> Answer:
        return self.answers[-1]


class Client:
    """Makes requests; `learn` takes a nonce from an answer of 401. `algorithm` "" is that of RFC 2069."""

    def __init__(self, url: str = URL, user: str = USER, password: str = PASSWORD, algorithm: Algorithm = "") -> None:
        self.url, self.user, self.password, self.algorithm = url, user, password, algorithm
        self.number = self.count = 0
        self.nonce = self.session = ""

    def learn(self, answer: Answer) -> None:
        found = re.search(r'nonce="([^"]+)"', answer.headers["www-authenticate"])
        assert found
        self.nonce = found[1]

    def request(self, method: str, url: str = "", **headers: str) -> bytes:
        url = url or self.url
        self.number += 1
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self.number}"]
        lines += [f"Authorization: {self.authorization(method, url)}"] if self.nonce else []
        lines += [f"Session: {self.session}"] if self.session else []
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n"

    def authorization(self, method: str, url: str) -> str:
        def digest(text: str) -> str:
            return _HASHES[self.algorithm](text.encode()).hexdigest()

        both = digest(f"{self.user}:zegel:{self.password}"), digest(f"{method}:{url}")
        said = f'Digest username="{self.user}", realm="zegel", nonce="{self.nonce}", uri="{url}"'
        if not self.algorithm:
            return f'{said}, response="{digest(f"{both[0]}:{self.nonce}:{both[1]}")}"'
        self.count += 1
        middle = f"{self.nonce}:{self.count:08x}:abc:auth"
        answer = digest(f"{both[0]}:{middle}:{both[1]}")
        return f'{said}, algorithm={self.algorithm}, qop=auth, nc={self.count:08x}, cnonce="abc", response="{answer}"'
