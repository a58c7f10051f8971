"""MSP reader: a flight controller that is asked by MSP, read like one that sends MAVLink by itself.

What must not live here: MSP, and the messages that are made of it (firmware_shims.msp_session).
"""

from __future__ import annotations

from collections.abc import Callable

from firmware_shims.msp_session import MspSession
from gateway.batch import Batch
from gateway.core.barrier import Barrier
from gateway.endpoint_state import State
from gateway.endpoints import Endpoint
from gateway.loop.frame_reader import BATCHES_A_READ, Came


class MspReader:
    """`refused`: frames for the flight controller; MSP has no way to hand one over, so none is sent."""

    def __init__(self, endpoint: Endpoint, session: MspSession, barrier: Barrier, say: Callable[[str], None]) -> None:
        self.endpoint, self.session, self._barrier, self._say = endpoint, session, barrier, say
        self.refused = 0
        self._batch, self._requests = Batch(1) if endpoint.sender_waits else Batch(), Batch()
        self._connection = 0  # of the endpoint, when the session began

    @property
    def resync_bytes(self) -> int:
        return self.session.skipped_bytes

    def next_due(self) -> float:
        """When to call `read` again without new data: something has to be asked then."""
        return self.session.next_due() if self.endpoint.state is State.CONNECTED else float("inf")

    def read(self, now: float, reads: int = BATCHES_A_READ) -> list[Came]:
        """The messages that the received bytes give rise to, in order; then what is due is asked."""
        out: list[Came] = []
        for _ in range(reads):
            if not self.endpoint.receive_into(self._batch, now):
                break
            self._begin_if_new()
            came = Came(self._batch.oldest, [])
            with self._barrier:
                for data in self._batch.datagrams():
                    came.frames.extend(self.session.receive(data, now))
            out.append(came)
        self._ask(now)
        while self.session.notes:
            self._say(self.session.notes.pop(0))
        return [came for came in out if came.frames]

    def send(self, batch: Batch, now: float) -> int:  # noqa: ARG002 - as an endpoint
        self.refused += batch.count
        return 0

    def _begin_if_new(self) -> None:
        if self.endpoint.connection != self._connection:
            self._connection = self.endpoint.connection
            self.session.begin()

    def _ask(self, now: float) -> None:
        if self.endpoint.state is not State.CONNECTED:
            return
        self._begin_if_new()
        if requests := self.session.requests(now):
            self._requests.hold([b"".join(requests)])
            self.endpoint.send(self._requests, now)
