"""Downlink: the links of one aircraft, whether they have room for more, and what was dropped because they had none.

What must not live here: what is sent, and when (role.py); sealing (gateway.core.sealer).
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway import clock, config
from gateway.batch import Batch
from gateway.core.air.announcer import NARROW_BELOW_BPS
from gateway.core.barrier import Barrier
from gateway.core.bundle import DROP_AFTER_S
from gateway.endpoint_state import State
from gateway.endpoints import Endpoint

AHEAD_S = 0.1  # seconds of data that may wait in a line with a rate: it never idles, and the data stays fresh
LINE_LOOK_S = 0.01  # a line may be slower than its nominal rate


class Downlink:
    """`wide`: the links that carry video.

    `down`, `full`, `late`  datagrams that were dropped: no link was up; all were full; too old
    """

    def __init__(self, links: Sequence[Endpoint], barrier: Barrier) -> None:
        self._links, self._barrier = links, barrier
        self.wide = [link for link in links if config.serial_bps(link.address) >= NARROW_BELOW_BPS]
        self.down = self.full = self.late = 0

    def wait_s(self, now: float) -> float:
        """Seconds until a link has room for telemetry: 0 if one has, infinite if none is up.

        Each datagram goes to all links. The first that has room sets the pace; the queue of a slower one drops late ones.
        """
        full_s = min((link.backlog_s(now) for link in self._links if _is_up(link)), default=float("inf")) - AHEAD_S
        return max(full_s, LINE_LOOK_S) if full_s > 0 else 0.0

    def room(self, now: float) -> float:
        """Bytes of telemetry that may be sent: AHEAD_S of the fastest link with room; 0 if none has."""
        return AHEAD_S * max((link.bytes_per_s for link in _with_room(self._links, now)), default=0.0)

    def takes_video(self, batch: Batch, now: float) -> bool:
        """Whether a link has room for this; otherwise telemetry would wait for it, and it is counted as dropped."""
        if _with_room(self.wide, now):
            return True
        if any(map(_is_up, self.wide)):
            self.full += batch.count
        else:
            self.down += batch.count
        return False

    def send(self, batch: Batch, now: float) -> None:
        """To all links."""
        self._send(batch, self._links, now)

    def send_live(self, batch: Batch, now: float, *, wide: bool) -> None:
        """The batch that was ready at `now`; if the process has stood still since then, it is late."""
        if clock.now() - now > DROP_AFTER_S:
            self.late += batch.count
        else:
            self._send(batch, self.wide if wide else self._links, now)

    def _send(self, batch: Batch, links: Sequence[Endpoint], now: float) -> None:
        for link in links:
            with self._barrier:
                link.send(batch, now)


def _is_up(link: Endpoint) -> bool:
    return link.state is State.CONNECTED


def _with_room(links: Sequence[Endpoint], now: float) -> list[Endpoint]:
    """The links that are up and have less than AHEAD_S of waiting data."""
    return [link for link in links if _is_up(link) and link.backlog_s(now) <= AHEAD_S]
