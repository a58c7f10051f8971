"""Host names to socket addresses, without waiting for a name server, and sockets that listen on them."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
from typing import TypeAlias

SockAddr: TypeAlias = tuple[str, int] | tuple[str, int, int, int]
Target: TypeAlias = tuple[socket.AddressFamily, SockAddr]

LOOK_UP_EVERY_S = 60.0
LOOK_UP_SILENT_S = 5.0  # the same, while nothing is heard; and what counts as silence


class Lookup:
    """The address of one host and port for sockets of one kind (SOCK_DGRAM or SOCK_STREAM).

    A number is converted at once. A name is looked up in a thread, since a name server that cannot be reached blocks
    getaddrinfo for half a minute. Of several addresses the first IPv4 one is used: `localhost` is often ::1 first,
    while most programs of this field listen on IPv4 only.
    """

    def __init__(self, host: str, port: int, kind: socket.SocketKind) -> None:
        self._asked = (host, port, kind)
        self._thread: threading.Thread | None = None
        self._result: list[Target] | OSError = []
        self._moves = False  # it is a name, and what it leads to may change
        self._looked_at = float("-inf")

    def answer(self) -> Target | None:
        """None while it is not known, then call again; OSError if there is no such name."""
        if self._thread is None:
            try:
                return self._look_up(socket.AI_NUMERICHOST)[0]
            except socket.gaierror:
                self._moves = True
        return found[0] if (found := self._answers()) else None

    def moved(self, target: Target, heard_at: float, now: float) -> Target | None:
        """The new address if the name no longer leads to `target`; else None. To be called often.

        The name is looked up every minute, and more often while nothing is heard from there. `heard_at`: when anything was
        heard last, or the endpoint opened. Of several addresses the present one is kept, also without an answer.
        """
        if not self._moves:
            return None
        every_s = LOOK_UP_EVERY_S if now - heard_at < LOOK_UP_SILENT_S else LOOK_UP_SILENT_S
        if self._thread is None and now - self._looked_at < every_s:
            return None
        found: list[Target] = []
        with contextlib.suppress(OSError):
            found = self._answers()
        self._looked_at = now
        return None if target in found else next(iter(found), None)

    def _answers(self) -> list[Target]:
        """All of them, looked up in a thread; none while it runs."""
        if self._thread is None:
            self._result = []
            self._begin()
        if self._thread is None or self._thread.is_alive():
            return []
        self._thread = None
        if isinstance(self._result, OSError):
            raise self._result
        return self._result

    def _begin(self) -> None:
        thread = threading.Thread(target=self._run, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # no memory for its stack, or too many threads
            raise OSError(errno.EAGAIN, str(error)) from None
        self._thread = thread

    def _run(self) -> None:
        try:
            self._result = self._look_up(0)
        except OSError as error:
            self._result = error

    def _look_up(self, flags: int) -> list[Target]:
        host, port, kind = self._asked
        found = socket.getaddrinfo(host, port, type=kind, flags=flags)
        found.sort(key=lambda entry: entry[0] != socket.AF_INET)
        return [(entry[0], entry[4]) for entry in found]  # type: ignore[misc]  # (int, bytes) is for a Python without IPv6


def in_words(address: SockAddr) -> str:
    """Host and port."""
    return f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"


def listen_on(made: socket.socket, where: SockAddr) -> None:
    """Bind. On IPv6 the unspecified address accepts IPv4 as well."""
    if made.family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, False)
    made.bind(where)


def is_broadcast(family: socket.AddressFamily, where: SockAddr) -> bool:
    """Whether the system treats this as a broadcast address; OSError if it has no route to it. Sends nothing."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(where)
        except PermissionError:  # its answer to a socket without SO_BROADCAST
            return True
    return False
