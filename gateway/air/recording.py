"""Recording: what the aircraft hands to the recorder of all that comes: before it is sealed, whether or not a link is up.

What lives here: which datagrams, frames and events are recorded, and the cameras that are only recorded. What must not: the
connection to the recorder (recorder_link.py), records and their memory (gateway.recording.stage), keys.

Without a recording key in the order each call here does nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Protocol

from firmware_shims import mavlink
from firmware_shims.guard import SETUP_SIGNING
from gateway import clock
from gateway.batch import Batch
from gateway.core.air.announcer import Announcer
from gateway.endpoints import Endpoint
from gateway.loop.pacing import Pace
from gateway.recording.event import Event, encode
from gateway.recording.group import PORTS, VIDEO_GROUPS, Group, Port
from gateway.recording.stage import Stages

_SETUP_SIGNING = SETUP_SIGNING.to_bytes(3, "little")


class Link(Protocol):
    """What decides what is recorded: record_state.RecordState. It has the connection to the recorder."""

    def begin(self, announcer: Announcer) -> None:
        """A session began; the recorder hears it before anything of the session. It says what is wanted."""

    def tick(self, now: float) -> None:
        """The upkeep, some times a second."""

    def close(self, now: float) -> None:
        """The session is over."""


class Recording:
    """`cameras`: those of the video lanes; `only`: those that are only recorded.

    `link`  None as long as there is no recorder
    """

    link: Link | None = None

    def __init__(self, cameras: Sequence[Endpoint] = (), only: Sequence[Endpoint] = ()) -> None:
        lanes = dict(zip(cameras, VIDEO_GROUPS, strict=False))
        self.only = dict(zip(only, VIDEO_GROUPS[2:], strict=False))
        self.groups: Mapping[Endpoint, Group] = {**lanes, **self.only}
        self.stages = Stages([*self.groups.values()])
        self.is_on = False  # the order has a recording key
        self._oversize = dict.fromkeys(self.groups, 0)  # datagrams that did not fit a slot
        self._batch = Batch() if only else None

    def begin(self, announcer: Announcer) -> None:
        """A session began."""
        order, now = announcer.order.content, clock.now()
        self.is_on = bool(order.recording) and self.link is not None
        self.stages.hand_over(now)
        self.stages.begin(announcer.began)
        self.want(set())
        if self.link is not None:
            self.link.begin(announcer)

    def want(self, groups: Set[Group]) -> None:
        """What is recorded from now on, as long as the order has a recording key."""
        self.stages.want(groups if self.is_on else ())

    def frames(self, port: Port, frames: Iterable[bytes], now: float) -> None:
        """MAVLink frames, as they came or went. A key for signing is never recorded."""
        if self.is_on:
            self.stages.add(Group.FLIGHT, port, (frame for frame in frames if not _is_key(frame)), now)

    def batch(self, camera: Endpoint, batch: Batch, now: float) -> None:
        """What was just received of a camera, all of it: late, too large for the link, and before it is padded."""
        if self.is_on:
            group = self.groups[camera]
            self.stages.add_batch(group, PORTS[group][0], batch, now)

    def event(self, event: Event, station: int = 0, **more: str | int) -> None:
        """What happened; events.py bounds how often."""
        if self.is_on:
            self.stages.add(Group.FLIGHT, Port.EVENT, [encode(event, station, **more)], clock.now())

    def receive(self, ready: Set[Endpoint], now: float, pace: Pace) -> None:
        """One batch of each camera that is only recorded."""
        for camera in self.only:
            if self._batch is not None and camera in ready and (count := camera.receive_into(self._batch, now)):
                self.batch(camera, self._batch, now)
                pace.count(camera, count, now, more=self._batch.full)

    def hand_over(self, now: float) -> None:
        """After a turn."""
        if self.is_on:
            self.stages.hand_over(now)

    def tick(self, now: float) -> None:
        """The upkeep."""
        for camera, before in self._oversize.items():
            if (oversize := camera.counters.oversize) > before:
                self._oversize[camera] = oversize
                self.stages.lose(self.groups[camera], oversize - before)
        if self.link is not None:
            self.link.tick(now)
        self.hand_over(now)

    def close(self, now: float) -> None:
        """The process ends."""
        if self.link is not None:
            self.hand_over(now)
            self.link.close(now)


def _is_key(frame: bytes) -> bool:
    """Whether this is SETUP_SIGNING, which only MAVLink 2 has a number for."""
    return frame[7:10] == _SETUP_SIGNING and frame[0] == mavlink.V2
