"""UdpLink: a link that listens, where anyone can send. It answers only senders of authentic datagrams.

UdpLinkOut: the link of a ground that sends to one address, and reads as `UdpLink` does.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import ClassVar

from gateway.batch import Batch
from gateway.endpoints.direct import Direct
from gateway.endpoints.gro import new_link_mover
from gateway.endpoints.mmsg import Mover, Peer
from gateway.endpoints.udp import UdpIn, UdpOut

AUTHENTICATED_FOR_S = 5.0  # a sender of an authentic datagram is answered for this time
AUTHENTICATED_MAX = 4
GIVES_WAY_AFTER_S = 2.0  # a newcomer replaces one of these only after so much silence


class UdpLink(UdpIn):
    """Listens on one address where anyone can send. `send` sends to at most four recently authenticated senders."""

    _idle_s: ClassVar = AUTHENTICATED_FOR_S
    _most: ClassVar = AUTHENTICATED_MAX

    def _move(self, made: socket.socket) -> Mover:
        return new_link_mover(made)

    def authenticated(self, senders: Sequence[Peer], now: float) -> None:
        self._welcome(senders, now)

    def renew(self, senders: Sequence[Peer], now: float) -> None:
        self._welcome([peer for peer in senders if peer in self._clients], now)

    def _gives_way(self, now: float) -> Peer | None:
        """Only a client that fell silent: a NAT may have changed its address. A faster relay displaces no client."""
        peer = min(self._clients, key=self._clients.__getitem__)
        return peer if now - self._clients[peer] >= GIVES_WAY_AFTER_S else None

    def _regard_senders(self, _mover: Mover, _batch: Batch, _now: float, /) -> None:
        """A datagram alone proves nothing about its sender."""

    accepted_until, _heard = Direct.accepted_until, Direct._heard


class UdpLinkOut(UdpOut):
    """Sends to one address, that of a relay, and reads only from that."""

    def _move(self, made: socket.socket) -> Mover:
        return new_link_mover(made)
