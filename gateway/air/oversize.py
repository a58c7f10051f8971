"""Oversize: datagrams of a camera that are too large for the link. They are left out and counted, with an alarm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gateway.batch import Batch
from gateway.core.wire import DOWNLINK_OVERHEAD
from gateway.endpoints import Endpoint
from gateway.report.alarms import Alarms, Reason


class Oversize:
    """Filters the cameras of one aircraft, for a link whose largest datagram has `mtu` bytes."""

    def __init__(self, cameras: Sequence[Endpoint], mtu: int, alarms: Alarms) -> None:
        self._cameras, self._mtu, self._alarms = cameras, mtu, alarms
        self._left_out = 0
        self._seen = 0  # of datagrams that did not fit a slot of the endpoint

    @property
    def total(self) -> int:
        return self._left_out + self._of_endpoints()

    def leave_out(self, batch: Batch, room: int, now: float) -> None:
        """Keep the datagrams that fit; `room` is the largest plaintext of the link, with its padding."""
        if (longest := batch.longest()) <= room:
            return
        fits = np.flatnonzero(batch.lengths[: batch.count] <= room)
        self._left_out += batch.count - fits.size
        self._alarm(longest, room, now)
        batch.keep(fits)

    def look(self, now: float) -> None:
        """Count the datagrams that did not even fit a slot."""
        if (oversize := self._of_endpoints()) > self._seen:
            self._seen = oversize
            largest = max(camera.counters.largest_oversize for camera in self._cameras)
            self._alarm(largest, self._mtu - DOWNLINK_OVERHEAD, now)

    def _of_endpoints(self) -> int:
        return sum(camera.counters.oversize for camera in self._cameras)

    def _alarm(self, size: int, room: int, now: float) -> None:
        self._alarms.raise_(Reason.VIDEO_OVERSIZE, now, size=size, mtu=self._mtu, limit=room)
