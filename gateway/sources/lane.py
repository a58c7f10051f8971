"""Lane: hands the datagrams of one source to `zegel air` on this computer, and counts them.

What lives here: one UDP socket. Nothing waits: while no zegel air is there, the datagrams are lost, and counted.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable

from gateway import clock
from gateway.endpoints.address import EVERY_INTERFACE, Address

BUFFER = 4 << 20
OVER_S = 2.0  # the rate is an average over this time
LOOPBACK = {EVERY_INTERFACE: "127.0.0.1", "::": "::1"}


class Lane:
    """Towards the endpoint of air's `video`."""

    def __init__(self, address: Address) -> None:
        host = LOOPBACK.get(address.host, address.host)
        family, *_, where = socket.getaddrinfo(host, address.port, type=socket.SOCK_DGRAM)[0]
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        self._socket.connect(where)  # so that the system says when no program has that port
        self.sent = self.not_taken = 0
        self._refused_at = float("-inf")
        self.heard: float | None = None  # when the last datagram was handed over, taken or not
        self._bytes = self._rate_bytes = 0
        self._rate_at = clock.now()
        self.kbit = 0.0

    def send(self, datagrams: Iterable[bytes], now: float) -> None:
        """In this order. A datagram that cannot be sent is dropped."""
        for datagram in datagrams:
            self.heard = now
            self.sent += 1
            self._bytes += len(datagram)
            try:
                self._send(datagram, now)
            except OSError:
                self.not_taken += 1

    def _send(self, datagram: bytes, now: float) -> None:
        try:
            self._socket.send(datagram)
        except ConnectionRefusedError:  # this is about the datagram before, and the system did not send this one
            self.not_taken += 1
            self._refused_at = now
            self._socket.send(datagram)

    def taken(self, now: float) -> bool:
        """Whether a program has had that port in the last seconds."""
        return now - self._refused_at > OVER_S

    def measure(self, now: float) -> None:
        """Renew the rate; call it about twice a second."""
        if (passed := now - self._rate_at) >= OVER_S:
            self.kbit = (self._bytes - self._rate_bytes) * 8 / 1000 / passed
            self._rate_at, self._rate_bytes = now, self._bytes

    def close(self) -> None:
        self._socket.close()
