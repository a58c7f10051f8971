"""Hold back: whether the flight controller is read now, or its data waits in the system's buffer.

What lives here: when, and how much at a time. What must not: reading (gateway.loop.frame_reader), sending (role.py).

A TCP sender waits while its connection is not read, so a parameter download arrives complete however slow the link is. A
sender by UDP or a serial line cannot wait: such an endpoint is only not read until the bundles of one turn are sent, and
while a recording is made it is always read, because what the system's buffer does not take would be missing there too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from firmware_shims.mavlink import FRAME_MAX
from gateway.batch import ROOM
from gateway.core.bundle import Bundler
from gateway.endpoint_state import State
from gateway.endpoints import Endpoint
from gateway.loop.frame_reader import BATCHES_A_READ

SHARE = 0.25  # of the link's rate is left for frames: each is sealed twice, headers and control take about half
HELD_S = 1.0  # at that rate: what the system buffers of a sender that waits
PORTION_S = 0.2  # at that rate: what is read at a time
READS_MAX = 16  # portions in one turn
HOLD_FOR_S = 30.0  # after this time the sender does not adapt: the data in its own buffers becomes older and older


class HoldBack:
    """Of one flight controller; `link_bps` is the rate of the narrowest link."""

    def __init__(self, fc: Endpoint, links: Sequence[Endpoint], link_bps: int) -> None:
        self._fc, self._links = fc, links
        self.reads, self._full = BATCHES_A_READ, READS_MAX * ROOM
        self._since = math.inf  # when the sender began to wait; since then its data was never read to the end
        if fc.sender_waits:
            bytes_per_s = SHARE * link_bps / 8
            portion = PORTION_S * bytes_per_s
            fc.buffer = min(fc.buffer, int(HELD_S * bytes_per_s))
            fc.portion = min(ROOM, max(FRAME_MAX, int(portion)))
            self.reads = min(READS_MAX, max(1, int(portion / fc.portion)))
            self._full = self.reads * fc.portion

    def holds(self, bundler: Bundler, now: float, *, recorded: bool = False) -> bool:
        """Whether the flight controller is not read now. `recorded`: all that comes is."""
        if recorded and not self._fc.sender_waits:
            return False
        if bundler.waiting < self._full or not any(link.state is State.CONNECTED for link in self._links):
            return False
        self._since = min(self._since, now)
        return now - self._since < HOLD_FOR_S

    def waits_s(self, now: float) -> float:
        """For how long a sender that can wait has been made to: since then the links were too slow for it."""
        return round(now - self._since, 1) if self._fc.sender_waits and self._since <= now else 0.0

    def was_read(self, size: int) -> None:
        """Note how many bytes a turn has read."""
        if size < self._full:
            self._since = math.inf

    def since(self, waited: float, now: float) -> float:
        """When frames arrived that had waited for this time. The time that their sender had to wait does not count."""
        return now - max(0.0, waited - HELD_S * self._fc.sender_waits)
