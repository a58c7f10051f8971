"""Outlets: where a recording is played to: a datagram for each record, to the ports on which programs listen.

What lives here: sockets that never wait. What must not: which records there are, and when.
"""

from __future__ import annotations

import contextlib
import socket
from collections import Counter
from collections.abc import Mapping

from gateway.endpoints import address
from gateway.endpoints.address import Address, AddressError
from gateway.errors import ConfigError
from gateway.recording.group import Port
from gateway.recording.pcap import Record

BUFFER_SIZE = 4 << 20  # a picture at once, at any speed
DEFAULTS = {port: f"udpout:127.0.0.1:{int(port)}" for port in Port if port not in (Port.UPLINK, Port.EVENT)}


class Outlets:
    """`sent`, `refused`: datagrams by port; a refused one found no program there, or no room in its socket."""

    def __init__(self, places: Mapping[Port, str]) -> None:
        """ConfigError for what is no place to send to."""
        self.places, self.sent, self.refused = dict(places), Counter[int](), Counter[int]()
        self._sockets: dict[int, socket.socket] = {}
        for port, place in places.items():
            self._sockets[port] = _socket(place)

    def send(self, record: Record) -> bool:
        """Whether records of this port are played at all."""
        if (out := self._sockets.get(record.port)) is None:
            return False
        try:
            out.send(record.content)
        except ConnectionError:  # an earlier datagram found no program: this one may find one
            self.refused[record.port] += 1
            with contextlib.suppress(OSError):
                out.send(record.content)
        except OSError:
            self.refused[record.port] += 1
        self.sent[record.port] += 1
        return True

    def close(self) -> None:
        for out in self._sockets.values():
            out.close()


def _socket(text: str) -> socket.socket:
    try:
        place = address.parse(text)
    except AddressError as error:
        raise ConfigError(str(error), hint=error.hint) from None
    if place.kind != "udpout":
        raise ConfigError(f"{text} is not a place to send to", hint="write it like udpout:127.0.0.1:14550")
    out = None
    try:
        family, kind, _, _, target = _resolved(place)
        out = socket.socket(family, kind)
        out.setblocking(False)
        out.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_SIZE)
        out.connect(target)
    except OSError as error:
        if out is not None:
            out.close()
        raise ConfigError(f"{text}: {error.strerror or error}", hint="check the address") from None
    return out


def _resolved(place: Address) -> tuple[int, int, int, str, tuple[object, ...]]:
    return socket.getaddrinfo(place.host, place.port, type=socket.SOCK_DGRAM)[0]
