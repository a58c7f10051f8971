"""Who stands between an aircraft and its ground without a key: a relay that is faster, or one that holds commands back."""

from __future__ import annotations

import time
from collections import deque

from gateway.core import sframe
from gateway.demo.stage import HOST, drain, udp_socket
from tests.system.house import Flight

SLOWER_BY_S = 0.03
COMMANDS = 1  # of a KID, its first four bits in lane 16


class FasterRelay:
    """Brings the pilot's ground all that the aircraft sends before the aircraft's own radio does, from its ports in turn.

    What the ground sends to it, it keeps.
    """

    def __init__(self, flight: Flight, ports: int = 1) -> None:
        self._flight, self._to = flight, (HOST, flight.stations["pilot"].port)
        self._sockets = deque(udp_socket() for _ in range(ports))
        self._radio_sends = flight.radio.send
        self._on_its_way: deque[tuple[float, bytes]] = deque()
        self.swallowed: list[bytes] = []
        flight.radio.send = self._send

    def _send(self, datagram: bytes) -> None:
        self._sockets.rotate()
        self._sockets[0].sendto(datagram, self._to)
        self._on_its_way.append((time.monotonic() + SLOWER_BY_S, datagram))

    def step(self) -> None:
        """What the radio brings later; call it often."""
        while self._on_its_way and self._on_its_way[0][0] <= time.monotonic():
            self._radio_sends(self._on_its_way.popleft()[1])
        self.swallowed += [datagram for made in self._sockets for datagram in drain(made)]

    def close(self) -> None:
        self._flight.radio.send = self._radio_sends
        for made in self._sockets:
            made.close()


class HoldingRelay:
    """Stands in the way up. While `holds` it keeps the commands that come, and lets challenges pass."""

    def __init__(self, flight: Flight) -> None:
        self._sends_up = flight.radio.send_up
        self.holds = False
        self.held: list[bytes] = []
        flight.radio.send_up = self._send_up

    def _send_up(self, datagram: bytes) -> None:
        if self.holds and sframe.decode_header(datagram)[0] >> 60 == COMMANDS:
            self.held.append(datagram)
        else:
            self._sends_up(datagram)

    def let_go(self) -> None:
        for datagram in self.held:
            self._sends_up(datagram)
        self.held.clear()
