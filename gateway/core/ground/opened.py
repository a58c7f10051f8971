"""Opened: what a batch held, once the opener is through with it.

What lives here: where in the batch frames and video stand, and of which lease they are. What must not: opening it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gateway.core.ground.session import Lease
from keys.lanes import Lane


class Bundle(NamedTuple):
    """The frames of one telemetry datagram, and where in its lane it stands; none if it was padding alone.

    `arrived`: when it came, or the earliest time that it can have come.
    """

    lease: Lease
    ctr: int
    frames: list[memoryview]
    arrived: float

    @property
    def position(self) -> tuple[int, int]:
        """Epoch and CTR, by which a lane is in order."""
        return self.lease.epoch, self.ctr


class Arrival(NamedTuple):
    """What came of one lease, new or a copy: a copy too says that the link it came by is up. n slots and counters."""

    lease: Lease
    slots: Sequence[int]
    ctrs: Sequence[int]


class Opened:
    """What one batch held: bundles as they came, and of each lease of a video lane the slots that hold its datagrams.

    `fresh`: the slots that prove their senders worth an answer: tag right, counter new, and of the lane that fewest hold
    the key of.
    """

    __slots__ = ("arrivals", "bundles", "fresh", "video")

    def __init__(self) -> None:
        self.bundles: list[Bundle] = []
        self.video: dict[Lease, list[int]] = {}
        self.fresh: list[int] = []
        self.arrivals: list[Arrival] = []

    @property
    def frames(self) -> list[memoryview]:
        """The frames of all bundles, as they came."""
        return [frame for bundle in self.bundles for frame in bundle.frames]

    def slots(self, lane: Lane) -> list[int]:
        """Those of a video lane, of all sessions."""
        return [slot for lease, slots in self.video.items() if lease.lane is lane for slot in slots]
