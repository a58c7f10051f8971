"""Host names to socket addresses, without waiting for a name server, and sockets that listen on them."""

from __future__ import annotations

import errno
import socket
import threading
from typing import TypeAlias

SockAddr: TypeAlias = tuple[str, int] | tuple[str, int, int, int]
Target: TypeAlias = tuple[socket.AddressFamily, SockAddr]


class Lookup:
    """The address of one host and port for sockets of one kind (SOCK_DGRAM or SOCK_STREAM).

    A number is converted at once. A name is looked up in a thread, since a name server that cannot be reached blocks
    getaddrinfo for half a minute. Of several addresses the first IPv4 one is used: `localhost` is often ::1 first,
    while most programs of this field listen on IPv4 only.
    """

    def __init__(self, host: str, port: int, kind: socket.SocketKind) -> None:
        self._asked = (host, port, kind)
        self._thread: threading.Thread | None = None
        self._result: Target | OSError | None = None

    def answer(self) -> Target | None:
        """None while it is not known, then call again; OSError if there is no such name."""
        if self._thread is None:
            try:
                return self._look_up(socket.AI_NUMERICHOST)
            except socket.gaierror:
                self._result = None
                self._begin()
        if self._thread is None or self._thread.is_alive():
            return None
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

    def _look_up(self, flags: int) -> Target:
        host, port, kind = self._asked
        found = socket.getaddrinfo(host, port, type=kind, flags=flags)
        family, _, _, _, where = min(found, key=lambda entry: entry[0] != socket.AF_INET)
        return family, where  # type: ignore[return-value]  # (int, bytes) is for a Python without IPv6


def in_words(address: SockAddr) -> str:
    """Host and port."""
    return f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"


def listen_on(made: socket.socket, where: SockAddr) -> None:
    """Bind. On IPv6 the unspecified address accepts IPv4 as well."""
    if made.family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, False)
    made.bind(where)
