"""One RTSP reader's connection, without the connection: its bytes in, responses out (RFC 2326).

What lives here: the methods, their order, and who may use them. What must not: sockets, clocks, randomness, packets.

Nothing of a stream is said, not even whether it is there, before the password was right. A session is of its connection,
and ends with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum, StrEnum, auto
from typing import NamedTuple, Protocol
from urllib.parse import unquote

from gateway.share.rtsp_digest import Digest
from gateway.share.rtsp_message import Code, Malformed, Messages, Reports, Request, response
from gateway.share.rtsp_transport import Transport, chosen

TIMEOUT_S = 60  # without a request or a report; clients are told (section 12.37)
REJECT_AFTER_S = TIMEOUT_S * 1.1  # some ask again only when all of it is over
LOGIN_WITHIN_S = 30.0  # the user of a player may have to type it
WHOLE_WITHIN_S = 10.0  # a request, from its first byte
WRONG_MAX = 3  # passwords in one connection
TRACK = "trackID=0"
LANES = ("a", "b")
_PATH = re.compile(r"rtsps?://[^/?#]+/([^?#]*)", re.IGNORECASE)


class State(Enum):
    """Section A.1."""

    INIT = auto()
    READY = auto()
    PLAYING = auto()
    ENDED = auto()


class Refusal(StrEnum):
    """Why a reader was refused or left out, as the status counts it."""

    LOGIN = "wrong password"
    FULL = "too many readers"
    CONNECTIONS = "too many connections"
    MALFORMED = "no RTSP"
    TIMEOUT = "silent"
    LATE = "too slow to ask"
    SLOW = "too slow"
    CHANGED = "the stream's format changed"


class Place(NamedTuple):
    """An aircraft, and its lane: a or b."""

    device: str
    lane: str


class Seat(NamedTuple):
    """What a reader is told of its packets: the ports they come from (UDP), and their source."""

    ports: tuple[int, int]
    ssrc: int


class First(NamedTuple):
    """The sequence number and the timestamp of the first packet after PLAY."""

    sequence: int
    timestamp: int


class Server(Protocol):
    """What a session asks of its server."""

    def describe(self, place: Place) -> str | None:
        """SDP; None if there is no such stream now."""

    def admit(self, place: Place) -> Seat | None:
        """None if all places of readers are taken."""

    def refused(self, why: Refusal) -> None:
        """Count it."""

    def begin(self) -> First | None:
        """Packets go out after this response; None if it is not known which is the first."""


class Session:
    """`new_id` makes names of sessions. `udp`: whether packets may go out by UDP.

    `state`      what the shell acts by
    `place`      what it plays, and `transport` how, once both are agreed
    `logged_in`  whether the password was right
    """

    def __init__(self, server: Server, digest: Digest, new_id: Callable[[], str], now: float, *, udp: bool) -> None:
        self.state = State.INIT
        self.place: Place | None = None
        self.transport: Transport | None = None
        self.logged_in = False
        self._server, self._digest, self._new_id, self._udp = server, digest, new_id, udp
        self._messages = Messages()
        self._out = bytearray()
        self._id, self._wrong = "", 0  # passwords
        self._begun = self.heard = now
        self._pending_since: float | None = None
        self._methods: dict[str, tuple[frozenset[State], Callable[[Request], None]]] = {
            "DESCRIBE": (_ALWAYS, self._describe),
            "SETUP": (frozenset((State.INIT, State.READY)), self._setup),
            "PLAY": (frozenset((State.READY, State.PLAYING)), self._play),
            "PAUSE": (frozenset((State.READY, State.PLAYING)), self._pause),
            "TEARDOWN": (_ALWAYS, self._teardown),
            "GET_PARAMETER": (_ALWAYS, self._still_here),
            "SET_PARAMETER": (_ALWAYS, self._still_here),
        }

    def feed(self, data: bytes, now: float) -> None:
        """Never raises for what a reader sends; `output` has the responses, `state` is ENDED if that was all."""
        if self.state not in _ALWAYS:
            return
        try:
            found = self._messages.feed(data)
        except Malformed as error:
            self._server.refused(Refusal.MALFORMED)
            self._end(error.code)
            return
        for one in found:
            if self.state not in _ALWAYS:
                return
            if isinstance(one, Request):
                self._request(one, now)
            else:
                self._report(one, now)
        if not self._messages.pending:
            self._pending_since = None
        elif self._pending_since is None or found:
            self._pending_since = now

    def output(self) -> bytes:
        """What the reader is to be sent now."""
        out = bytes(self._out)
        self._out.clear()
        return out

    def reported(self, now: float) -> None:
        """A report of RTCP came from the reader's own port."""
        self.heard = now

    def check(self, now: float) -> None:
        """Ends a connection that is silent, or does not come to the point."""
        if self.state is State.ENDED:
            return
        unfinished = self._pending_since is not None and now - self._pending_since >= WHOLE_WITHIN_S
        if unfinished or (not self.logged_in and now - self._begun >= LOGIN_WITHIN_S):
            self._server.refused(Refusal.LATE)
            self._end(Code.TIMEOUT)
        elif now - self.heard >= REJECT_AFTER_S:
            self._server.refused(Refusal.TIMEOUT)
            self.state = State.ENDED

    def _end(self, code: Code) -> None:
        self._out += response(code, "", [("Connection", "close")])
        self.state = State.ENDED

    def _report(self, _: Reports, now: float) -> None:
        if self.logged_in:
            self.heard = now
        else:
            self._server.refused(Refusal.MALFORMED)
            self._end(Code.BAD_REQUEST)

    def _request(self, request: Request, now: float) -> None:
        if request.method == "OPTIONS":  # says nothing that is not in the standard, and clients begin with it
            self.heard = now if self.logged_in else self.heard
            self._answer(request, Code.OK, ("Public", ", ".join(("OPTIONS", *self._methods))))
            return
        if not self._authorized(request):
            return
        self.logged_in, self.heard = True, now
        if request.method not in self._methods:
            known = request.method in ("ANNOUNCE", "RECORD", "REDIRECT")
            self._answer(request, Code.NOT_ALLOWED if known else Code.UNKNOWN_METHOD, ("Allow", ", ".join(self._methods)))
        elif "require" in request.headers or "proxy-require" in request.headers:
            wanted = request.headers.get("require") or request.headers.get("proxy-require", "")
            self._answer(request, Code.NO_OPTION, ("Unsupported", wanted))
        else:
            states, method = self._methods[request.method]
            if self.state not in states:
                self._answer(request, Code.NOT_NOW)
            else:
                method(request)

    def _authorized(self, request: Request) -> bool:
        said = request.headers.get("authorization", "")
        if said and self._digest.allows(request.method, request.uri, said):
            return True
        if said:
            self._server.refused(Refusal.LOGIN)
            self._wrong += 1
            if self._wrong >= WRONG_MAX:
                self._end(Code.UNAUTHORIZED)
                return False
        self._answer(request, Code.UNAUTHORIZED, *(("WWW-Authenticate", text) for text in self._digest.challenges()))
        return False

    def _describe(self, request: Request) -> None:
        place = _place(request.uri)
        text = self._server.describe(place) if place else None
        if text is None:
            self._answer(request, Code.NOT_FOUND)
            return
        base = request.uri.partition("?")[0].rstrip("/") + "/"
        headers = (("Content-Base", base), ("Content-Type", "application/sdp"), ("Cache-Control", "no-cache"))
        self._answer(request, Code.OK, *headers, body=text)

    def _setup(self, request: Request) -> None:
        place = _place(request.uri)
        if place is None or self._server.describe(place) is None:
            self._answer(request, Code.NOT_FOUND)
            return
        if not self._is_ours(request, needed=False):
            return
        transport = chosen(request.headers.get("transport", ""), udp=self._udp)
        if transport is None:
            self._answer(request, Code.NO_TRANSPORT)
            return
        seat = self._server.admit(place)
        if seat is None:
            self._server.refused(Refusal.FULL)
            self._answer(request, Code.NO_ROOM)
            return
        self.place, self.transport, self.state = place, transport, State.READY
        self._id = self._id or self._new_id()
        self._answer(request, Code.OK, ("Transport", transport.header(*seat)))

    def _play(self, request: Request) -> None:
        if not self._is_ours(request):
            return
        headers = [("Range", "npt=now-")]
        if self.state is State.READY:
            first = self._server.begin()
            self.state = State.PLAYING
            if first is not None:
                track = request.uri.removesuffix(f"/{TRACK}").rstrip("/") + f"/{TRACK}"
                headers.append(("RTP-Info", f"url={track};seq={first.sequence};rtptime={first.timestamp}"))
        self._answer(request, Code.OK, *headers)

    def _pause(self, request: Request) -> None:
        if self._is_ours(request):
            self.state = State.READY
            self._answer(request, Code.OK)

    def _teardown(self, request: Request) -> None:
        if self._is_ours(request, needed=self.state is not State.INIT):
            self._answer(request, Code.OK, ("Connection", "close"))
            self.state = State.ENDED

    def _still_here(self, request: Request) -> None:
        if self._is_ours(request, needed=False):
            self._answer(request, Code.OK)

    def _is_ours(self, request: Request, *, needed: bool = True) -> bool:
        named = request.headers.get("session", "").partition(";")[0].strip()
        if named == self._id or (not named and not needed):
            return True
        self._answer(request, Code.NO_SESSION)
        return False

    def _answer(self, request: Request, code: Code, *headers: tuple[str, str], body: str = "") -> None:
        session = [("Session", f"{self._id};timeout={TIMEOUT_S}")] if self._id and code is Code.OK else []
        self._out += response(code, request.number, [("Server", "zegel"), *session, *headers], body)


_ALWAYS = frozenset((State.INIT, State.READY, State.PLAYING))


def _place(uri: str) -> Place | None:
    """rtsp://HOST:PORT/AIRCRAFT/a, with the track or without it."""
    path = _PATH.fullmatch(uri.partition("?")[0])
    if path is None:
        return None
    parts = path[1].rstrip("/").split("/")
    if parts[-1] == TRACK:
        parts.pop()
    if len(parts) != 2 or parts[1] not in LANES:  # noqa: PLR2004
        return None
    return Place(unquote(parts[0]), parts[1])
