"""RTSP digest: whether a request knows the password, without the password in it (RFC 7616; RFC 2617 for old clients).

What lives here: challenges, and the check of an answer. What must not: randomness, clocks. Every connection has a nonce of
its own, so an answer that was overheard is of no use on another one. Basic, which sends the password, is never offered.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

REALM = "zegel"
NONCE_SIZE = 16  # bytes
_PART = re.compile(r'\s*([A-Za-z]{1,16})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|$)')
_COUNT = re.compile(r"[0-9a-fA-F]{8}")
_SCHEME = "digest "
_HASHES: Mapping[str, Callable[[bytes], str]] = {
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),  # ffmpeg knows no other
}

_BY_SIZE = {64: "SHA-256", 32: "MD5"}  # hexadecimal digits; some clients leave out which algorithm they chose


@dataclass(frozen=True, slots=True)
class Credentials:
    """The one user of the server. `md5`: clients that do not know SHA-256 are let in, too."""

    user: str
    password: str
    md5: bool = True


class Digest:
    """Of one connection; `nonce` is random. The count of an answer (`nc`) always grows, so none is taken twice."""

    def __init__(self, credentials: Credentials, nonce: str) -> None:
        self._credentials, self.nonce = credentials, nonce
        self._count = 0

    def challenges(self) -> list[str]:
        """Values of WWW-Authenticate, the preferred first. Old clients take the last, and do not know `qop`."""
        both = f'Digest realm="{REALM}", nonce="{self.nonce}"'
        strong = f'{both}, algorithm=SHA-256, qop="auth"'
        return [strong, both] if self._credentials.md5 else [strong]

    def allows(self, method: str, uri: str, authorization: str) -> bool:
        """Whether the value of Authorization answers a challenge of this connection for this request."""
        said = _parts(authorization)
        algorithm = said.get("algorithm", "").upper() or _BY_SIZE.get(len(said.get("response", "")), "")
        digest = _HASHES.get(algorithm)
        if digest is None or (algorithm == "MD5" and not self._credentials.md5):
            return False
        if not _covers(said.get("uri", ""), uri):
            return False
        wanted = self._wanted(digest, method, said)
        right = [
            hmac.compare_digest(said.get("username", "").encode(), self._credentials.user.encode()),
            hmac.compare_digest(said.get("response", "").lower().encode(), wanted.encode()),
        ]
        return all(right) and self._fresh(said)

    def _wanted(self, digest: Callable[[bytes], str], method: str, said: Mapping[str, str]) -> str:
        """Section 3.4.1; without `qop` the form of RFC 2069."""
        first = digest(f"{self._credentials.user}:{REALM}:{self._credentials.password}".encode())
        second = digest(f"{method}:{said.get('uri', '')}".encode())
        if "qop" not in said:
            return digest(f"{first}:{self.nonce}:{second}".encode())
        middle = f"{self.nonce}:{said.get('nc', '')}:{said.get('cnonce', '')}:{said['qop']}"
        return digest(f"{first}:{middle}:{second}".encode())

    def _fresh(self, said: Mapping[str, str]) -> bool:
        """Without `qop` there is no count; the nonce is of this connection alone in any case."""
        if "qop" not in said:
            return True
        if said["qop"] != "auth" or not _COUNT.fullmatch(said.get("nc", "")):
            return False
        count = int(said["nc"], 16)
        fresh, self._count = count > self._count, max(count, self._count)
        return fresh


def _covers(said: str, uri: str) -> bool:
    """VLC signs the stream's address also where it asks for a track below it."""
    return said == uri or uri.startswith(f"{said.rstrip('/')}/")


def _parts(authorization: str) -> dict[str, str]:
    """Of a value of Authorization; empty if it is another scheme, or has a part twice."""
    if authorization[: len(_SCHEME)].lower() != _SCHEME:
        return {}
    found: dict[str, str] = {}
    at = len(_SCHEME)
    while at < len(authorization):
        part = _PART.match(authorization, at)
        if part is None or part[1].lower() in found:
            return {}
        found[part[1].lower()] = part[3] if part[2] is None else re.sub(r"\\(.)", r"\1", part[2])
        at = part.end()
    return found
