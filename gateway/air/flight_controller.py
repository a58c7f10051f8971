"""Flight controller: how its endpoint is read, and how frames are handed to it, by what it speaks and what is asked of it.

What must not live here: what the frames mean to a station, and who may send which (uplink.py).
"""

from __future__ import annotations

from typing import Protocol

from firmware_shims.msp_session import MspSession
from firmware_shims.rates import Rates
from firmware_shims.renumber import renumbered
from gateway.batch import Batch
from gateway.config import AirConfig
from gateway.core.barrier import Barrier
from gateway.endpoint_state import State
from gateway.endpoints import Endpoint
from gateway.loop.frame_reader import BATCHES_A_READ, Came, FrameReader
from gateway.loop.msp_reader import MspReader
from gateway.report.log import say


class FlightController(Protocol):
    """`refused`: frames that were not sent because it has no way to receive them."""

    endpoint: Endpoint
    refused: int

    @property
    def resync_bytes(self) -> int: ...
    def next_due(self) -> float: ...
    def read(self, now: float, reads: int = BATCHES_A_READ) -> list[Came]: ...
    def send(self, batch: Batch, now: float) -> int: ...


class MavlinkController(FrameReader):
    """It sends and receives MAVLink: frames pass as they are."""

    refused: int = 0

    def send(self, batch: Batch, now: float) -> int:
        return self.endpoint.send(batch, now)


class AskedController(MavlinkController):
    """As above; it is also asked for `rates`, and numbered as this aircraft's if that was asked for."""

    def __init__(self, endpoint: Endpoint, settings: AirConfig, barrier: Barrier) -> None:
        super().__init__(endpoint, barrier)
        self._requests = Batch()
        self._rates = Rates(settings.system_id, settings.rates)
        self._system = settings.system_id if settings.renumber else None

    def next_due(self) -> float:
        return min(super().next_due(), self._rates.next_due() if self.endpoint.state is State.CONNECTED else float("inf"))

    def read(self, now: float, reads: int = BATCHES_A_READ) -> list[Came]:
        came = super().read(now, reads)
        for each in came:
            with self._barrier:
                if self._system is not None:
                    each.frames[:] = [renumbered(frame, self._system) for frame in each.frames]
                each.frames[:] = self._rates.hear(each.frames, now)
        with self._barrier:
            self._ask(now)
        return came

    def send(self, batch: Batch, now: float) -> int:
        with self._barrier:
            self._rates.sent_up(batch.datagrams())
        return super().send(batch, now)

    def _ask(self, now: float) -> None:
        if self.endpoint.state is not State.CONNECTED:
            return  # the upkeep reads it nevertheless; an answer cannot come, and the tries are few
        if requests := self._rates.requests(now):
            self._requests.hold(requests)
            self.endpoint.send(self._requests, now)
        while self._rates.notes:
            say("air", self._rates.notes.pop(0))


def of(endpoint: Endpoint, settings: AirConfig, barrier: Barrier) -> FlightController:
    """The flight controller at this endpoint. A plain one costs nothing for what was not asked for."""
    if endpoint.address.msp:
        return MspReader(endpoint, MspSession(settings.system_id, settings.rates), barrier, lambda text: say("air", text))
    if settings.rates or settings.renumber:
        return AskedController(endpoint, settings, barrier)
    return MavlinkController(endpoint, barrier)
