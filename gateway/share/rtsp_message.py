"""RTSP messages: requests out of a reader's bytes, and responses to bytes (RFC 2326 sections 4 to 7 and 10.12).

What lives here: where a message begins and ends, with bounds for each part. What must not: what a method means.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

HEAD_MAX = 8 << 10  # bytes of a request line with its headers; clients send under 1 KiB
BODY_MAX = 4 << 10
HEADERS_MAX = 64
INTERLEAVED_MAX = 2 << 10  # a reader sends reports of RTCP, which are short
BETWEEN_MAX = 16  # line ends before a request; some clients send one
VERSION = "RTSP/1.0"

_LINE = re.compile(r"([A-Z_]{1,32}) (\S{1,1024}) RTSP/(\d{1,3})\.(\d{1,3})")
_HEADER = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]{1,64})[ \t]*:(.*)")
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_END = b"\r\n\r\n"
_DOLLAR, _FRAME_HEAD = 0x24, 4


class Code(IntEnum):
    """Status codes (section 7.1.1) with their phrases."""

    phrase: str

    def __new__(cls, value: int, phrase: str) -> Code:
        made = int.__new__(cls, value)
        made._value_, made.phrase = value, phrase
        return made

    OK = 200, "OK"
    BAD_REQUEST = 400, "Bad Request"
    UNAUTHORIZED = 401, "Unauthorized"
    NOT_FOUND = 404, "Not Found"
    NOT_ALLOWED = 405, "Method Not Allowed"
    TIMEOUT = 408, "Request Time-out"
    TOO_LARGE = 413, "Request Entity Too Large"
    NO_ROOM = 453, "Not Enough Bandwidth"
    NO_SESSION = 454, "Session Not Found"
    NOT_NOW = 455, "Method Not Valid in This State"
    NO_TRANSPORT = 461, "Unsupported Transport"
    UNKNOWN_METHOD = 501, "Not Implemented"
    VERSION = 505, "RTSP Version Not Supported"
    NO_OPTION = 551, "Option not supported"


class Malformed(Exception):
    """Bytes that are no request; the connection cannot go on, because it is not known where the next one begins."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.phrase)
        self.code = code


@dataclass(frozen=True, slots=True)
class Request:
    """`headers` by their names in lower case; several of one name are joined by a comma (section 4.2)."""

    method: str
    uri: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def number(self) -> str:
        """CSeq, which its response repeats."""
        return self.headers.get("cseq", "")


class Reports:
    """Stands for a packet of RTCP that the reader sent within the connection; its content is not used."""


class Messages:
    """Bytes in, requests out. Holds less than one request."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def pending(self) -> bool:
        """A request has begun and is not whole."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[Request | Reports]:
        """What is whole now. Raises Malformed, after which nothing may be fed."""
        self._buffer += data
        found: list[Request | Reports] = []
        while self._buffer:
            one = self._frame() if self._buffer[0] == _DOLLAR else self._request()
            if one is None:
                break
            found.append(one)
        return found

    def _frame(self) -> Reports | None:
        """Section 10.12: a dollar sign, the channel, the length."""
        if len(self._buffer) < _FRAME_HEAD:
            return None
        size = self._buffer[2] << 8 | self._buffer[3]
        if size > INTERLEAVED_MAX:
            raise Malformed(Code.TOO_LARGE)
        if len(self._buffer) < _FRAME_HEAD + size:
            return None
        del self._buffer[: _FRAME_HEAD + size]
        return Reports()

    def _request(self) -> Request | Reports | None:
        begins = len(self._buffer) - len(self._buffer.lstrip(b"\r\n"))
        if begins > BETWEEN_MAX:
            raise Malformed(Code.BAD_REQUEST)
        if begins:
            del self._buffer[:begins]
            if not self._buffer or self._buffer[0] == _DOLLAR:
                return None if not self._buffer else self._frame()
        end = self._buffer.find(_END, 0, HEAD_MAX)
        if end < 0:
            if len(self._buffer) >= HEAD_MAX:
                raise Malformed(Code.TOO_LARGE)
            return None
        request = _parsed(bytes(self._buffer[:end]))
        whole = end + len(_END) + _body_size(request)
        if len(self._buffer) < whole:
            return None
        del self._buffer[:whole]
        return request


def response(code: Code, number: str, headers: Iterable[tuple[str, str]] = (), body: str = "") -> bytes:
    """`headers` and `number` hold no line end."""
    lines = [f"{VERSION} {int(code)} {code.phrase}", *([f"CSeq: {number}"] if number else [])]
    lines += [f"{name}: {value}" for name, value in headers]
    content = body.encode()
    if content:
        lines.append(f"Content-Length: {len(content)}")
    return "\r\n".join(lines).encode() + _END + content


def _parsed(head: bytes) -> Request:
    try:
        first, *rest = head.decode().split("\r\n")
    except UnicodeDecodeError:
        raise Malformed(Code.BAD_REQUEST) from None
    line = _LINE.fullmatch(first)
    if line is None or len(rest) > HEADERS_MAX or not head.isascii() or not all(map(str.isprintable, (first, *rest))):
        raise Malformed(Code.BAD_REQUEST)
    if (line[3], line[4]) != ("1", "0"):
        raise Malformed(Code.VERSION)
    headers: dict[str, str] = {}
    for text in rest:
        header = _HEADER.fullmatch(text)
        if header is None:
            raise Malformed(Code.BAD_REQUEST)
        name, value = header[1].lower(), header[2].strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if not _NUMBER.fullmatch(headers.get("cseq", "")):
        raise Malformed(Code.BAD_REQUEST)
    return Request(line[1], line[2], headers)


def _body_size(request: Request) -> int:
    """A body is read and not used."""
    text = request.headers.get("content-length", "0")
    if not _NUMBER.fullmatch(text):
        raise Malformed(Code.BAD_REQUEST)
    if int(text) > BODY_MAX:
        raise Malformed(Code.TOO_LARGE)
    return int(text)
