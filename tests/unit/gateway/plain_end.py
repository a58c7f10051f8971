"""An endpoint in memory: what a test puts in comes out of `receive_into`, what is sent is kept."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from gateway.batch import Batch
from gateway.endpoint_state import State
from gateway.endpoints import Endpoint
from gateway.endpoints.address import parse


class PlainEnd(Endpoint):
    def __init__(self, *, stream: bool = False) -> None:
        super().__init__(parse("udpin:127.0.0.1:1"))
        self.stream = stream  # type: ignore[misc] - one class for both kinds
        self.to_come: list[tuple[int, float, list[bytes]]] = []  # (connection, how long it waited, what one call gives)
        self.drained: list[bytes] = []
        self.takes: int | None = None  # at most so many of a batch; None: all
        self.vouched: list[Hashable] = []
        self.kept: list[Hashable] = []
        self.known: list[Hashable] = [self.address]  # what `addresses` says
        self.drained_to: list[tuple[Hashable, bytes]] = []
        self.proved: list[Hashable] = []

    def put(self, *datagrams: bytes, connection: int = 1, waited: float = 0.0) -> None:
        self.to_come.append((connection, waited, list(datagrams)))

    def receive_into(self, batch: Batch, _now: float) -> int:
        batch.clear()
        if self.to_come:
            self.connection, waited, datagrams = self.to_come.pop(0)
            batch.hold(datagrams)
            batch.waited(waited)
        return batch.count

    def send(self, batch: Batch, _now: float) -> int:
        taken = batch.datagrams()[: self.takes]
        self.drained += taken
        return len(taken)

    def authenticated(self, senders: Sequence[Hashable], _now: float) -> None:
        self.vouched += senders

    def renew(self, senders: Sequence[Hashable], _now: float) -> None:
        self.kept += senders

    def addresses(self) -> list[Hashable]:
        return self.known

    def send_to(self, batch: Batch, address: Hashable, _now: float) -> None:
        self.drained += batch.datagrams()
        self.drained_to += [(address, datagram) for datagram in batch.datagrams()]

    def prove(self, address: Hashable, _now: float) -> None:
        self.proved.append(address)

    def interests(self) -> list[tuple[int, int]]:
        return []

    def _open(self, now: float) -> None:
        self._opened(State.CONNECTED, now)

    def _release(self) -> None:
        self.to_come.clear()
