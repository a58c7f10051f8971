"""A ground's link that listens: which addresses get the uplink, although anyone can send to it and copy datagrams.

At most four addresses get everything. A sender of authentic and new datagrams becomes one of them, but this proves nothing:
a relay that is faster than the aircraft's own path brings everything first. So an address keeps its place only while
challenges that were sent to it alone come back (`prove`); otherwise a new one replaces it. Senders of copies are tried, and
get only challenges.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from gateway.batch import Batch
from gateway.endpoints.address import Address
from gateway.endpoints.mmsg import Peer
from gateway.endpoints.udp_link import UdpLink

PROVED_FOR_S = 10.0
TRIED_MAX = 4


class ProvedLink(UdpLink):
    """`addresses` are those that get everything, and those that get only challenges."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._proved: dict[Peer, float] = {}  # -> when it was last proved
        self._tried: dict[Peer, float] = {}  # senders of copies, in order of arrival

    def addresses(self) -> list[Hashable]:
        return list(dict.fromkeys((*self._clients, *self._tried)))

    def send_to(self, batch: Batch, address: Hashable, now: float) -> None:  # noqa: ARG002 - part of the interface
        if self._mover is None:
            self.counters.dropped_tx += batch.count
        else:
            self._count(batch, self._mover.send(batch, address))

    def propose(self, senders: Sequence[Peer], now: float) -> None:
        for peer in senders:
            if peer in self._clients:
                self._clients[peer] = now
                continue
            self._tried[peer] = now
            if len(self._tried) > TRIED_MAX:
                del self._tried[next(iter(self._tried))]

    def prove(self, address: Hashable, now: float) -> None:
        if self._mover is not None:
            self._proved[address] = now
            self._tried.pop(address, None)
            self._welcome([address], now)

    def _gives_way(self, now: float) -> Peer | None:
        """The unproved address that was added first; if there is none, a proved one that has fallen silent."""
        unproved = (client for client in self._clients if not self._is_proved(client, now))
        return next(unproved, None) or super()._gives_way(now)

    def _is_proved(self, peer: Peer, now: float) -> bool:
        return now - self._proved.get(peer, float("-inf")) <= PROVED_FOR_S

    def _has_left(self, peer: Peer, heard: float, now: float) -> bool:
        return super()._has_left(peer, heard, now) and not self._is_proved(peer, now)

    def _upkeep(self, now: float) -> None:
        super()._upkeep(now)
        self._proved = {peer: at for peer, at in self._proved.items() if now - at <= PROVED_FOR_S}
        self._tried = {peer: at for peer, at in self._tried.items() if now - at <= self._idle_s}

    def _release(self) -> None:
        super()._release()
        self._proved.clear()
        self._tried.clear()
