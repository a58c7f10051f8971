"""Door: who may enter the console, decided from the head of one HTTP request.

What lives here: the token, the cookie, Host, Origin, the headers of each answer. What must not: sockets, files, clocks.

Any program of this computer can connect, and by a browser so can any page of the Internet. So a request must name us by
Host (a name that was made to resolve to this computer is not ours), what a browser says of its origin must be ours
(Origin, Sec-Fetch-Site), and it must have the token: once in the link, then in a cookie that no script reads.
"""

from __future__ import annotations

import enum
import hmac
import secrets
from collections.abc import Iterable
from typing import TypeAlias

COOKIE = "zegel"
TOKEN_SIZE = 32  # bytes of randomness: 256 bits
HOSTS = ("127.0.0.1", "localhost")
LIVE, LOGOUT = "/live", "/logout"
ENTRY = "token="  # of the query of a link
COOKIES_MAX = 8  # of our name that are looked at: what listens on another port of this computer can set some, too
HTTP_PORT = 80  # which a browser leaves out of Host and Origin

Head: TypeAlias = Iterable[tuple[str, str]]  # of a request, in the order and number in which its headers came


class Way(enum.StrEnum):
    """What a request that may enter asks for."""

    ENTER = "enter"  # it has the token in its link: give it the cookie, and lead it to the page
    PAGE = "page"  # a file of the page, or a tile of the map
    LIVE = "live"  # the socket
    LOGOUT = "logout"


class Refusal(enum.StrEnum):
    """Why a request may not enter; also the names of the counters."""

    HOST = "foreign_host"
    ORIGIN = "foreign_origin"
    METHOD = "method"
    NO_TOKEN = "no_token"  # noqa: S105 - the name of a counter
    WRONG_TOKEN = "wrong_token"  # noqa: S105 - the name of a counter


def new_token() -> str:
    """43 characters of A-Z a-z 0-9 - _ (RFC 4648 section 5)."""
    return secrets.token_urlsafe(TOKEN_SIZE)


def link(token: str, port: int) -> str:
    """What a person opens."""
    return f"http://{HOSTS[0]}:{port}/?{ENTRY}{token}"


class Door:
    """The door of one console. A browser that has an earlier `token` is out."""

    def __init__(self, token: str, port: int) -> None:
        self.token = token
        self._hosts = {f"{host}:{port}" for host in HOSTS} | ({*HOSTS} if port == HTTP_PORT else set())
        self._origins = {f"http://{host}" for host in self._hosts}
        self.headers = (("Content-Security-Policy", _policy(self._hosts)), *ALWAYS)

    def decide(self, method: str, target: str, head: Head) -> Way | Refusal:
        """`target` is that of the request line, with its query."""
        found: dict[str, list[str]] = {}
        for name, value in head:
            found.setdefault(name.lower(), []).append(value)
        path, _, query = target.partition("?")
        way = {LIVE: Way.LIVE, LOGOUT: Way.LOGOUT}.get(path, Way.PAGE)
        hosts = [host.lower() for host in found.get("host", [])]
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return Refusal.HOST
        if not self._is_of_ours(way, found):
            return Refusal.ORIGIN
        if method != ("POST" if way is Way.LOGOUT else "GET"):
            return Refusal.METHOD
        if path == "/" and query.startswith(ENTRY):
            return Way.ENTER if self._fits(query.removeprefix(ENTRY)) else Refusal.WRONG_TOKEN
        cookies = _cookies(found.get("cookie", []))
        if not cookies:
            return Refusal.NO_TOKEN
        return way if any([self._fits(each) for each in cookies]) else Refusal.WRONG_TOKEN  # noqa: C419 - looks at each

    def cookie(self) -> tuple[str, str]:
        """The header that gives a browser the token. It keeps it no longer than it runs."""
        return "Set-Cookie", f"{COOKIE}={self.token}; HttpOnly; SameSite=Strict; Path=/"

    def _is_of_ours(self, way: Way, found: dict[str, list[str]]) -> bool:
        """Whether it can come from our page. A browser names the origin of each socket and of each POST."""
        origins, sites = found.get("origin", []), found.get("sec-fetch-site", [])
        if any(origin not in self._origins for origin in origins):
            return False
        if way is Way.PAGE:
            return True  # a person may follow a link to it; what it gives away without the cookie is nothing
        return len(origins) == 1 and all(site == "same-origin" for site in sites)

    def _fits(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self.token.encode())


NO_COOKIE = ("Set-Cookie", f"{COOKIE}=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0")

# With every answer. Nothing is kept in the browser, nothing is shown within another page, and no other page reads it.
ALWAYS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-Frame-Options", "DENY"),
)


def _policy(hosts: Iterable[str]) -> str:
    """The page may ask only us. Not every browser takes 'self' to include the socket (Content Security Policy Level 3)."""
    sockets = " ".join(f"ws://{host}" for host in sorted(hosts))
    return (
        f"default-src 'self'; connect-src 'self' {sockets}; object-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


def _cookies(lines: Iterable[str]) -> list[str]:
    """The values of our cookie (RFC 6265 section 5.4)."""
    pairs = (pair.strip().partition("=") for line in lines for pair in line.split(";"))
    return [value for name, _, value in pairs if name == COOKIE][:COOKIES_MAX]
