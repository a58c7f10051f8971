"""Watchdog: reports the state of the role to the service manager, by the protocol of sd_notify(3), if it asks for that.

What lives here: one datagram socket and when to use it. Only the loop that moves the data calls `turned`, and no
thread does: if that loop hangs, the manager gets no signal and restarts the service.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping

from keys.printable import printable

MICRO = 1e-6
LINE_MAX = 500  # characters of a status; a line end in it would be another instruction for the manager
BEATS_A_WATCHDOG = 3  # a busy board may miss two


class Manager:
    """The service manager, by `environ`: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. A context manager."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):  # Linux's abstract namespace
            self._address = "\0" + self._address[1:]
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if self._address else None
        if self._socket:
            self._socket.setblocking(False)
        mine = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._every_s = int(environ.get("WATCHDOG_USEC", "0")) * MICRO / BEATS_A_WATCHDOG if mine else 0.0
        self._beat_at = float("-inf")
        self._ready, self._told = False, ""

    def __enter__(self) -> Manager:
        return self

    def __exit__(self, *exc: object) -> None:
        self._send("STOPPING=1")
        if self._socket:
            self._socket.close()

    def turned(self, now: float) -> None:
        """The loop has turned, and its endpoints are open as far as possible; call it several times a second."""
        self._ready = self._ready or self._send("READY=1")
        if self._every_s and now >= self._beat_at:
            self._beat_at = now + self._every_s
            self._send("WATCHDOG=1")

    def tell(self, words: Callable[[], str]) -> None:
        """One line for people, sent if it has changed."""
        if self._socket and (line := printable(words(), LINE_MAX)) != self._told and self._send(f"STATUS={line}"):
            self._told = line

    def _send(self, text: str) -> bool:
        if self._socket:
            try:
                self._socket.sendto(text.encode(), self._address)
            except OSError:  # a busy or missing manager must not stop a flight; it gets the next one
                return False
        return True
