"""Publication: what a ground opens goes to the subscribers of its feed, with the aircraft, the session and the time.

What must not live here: ZeroMQ and who may subscribe (endpoints/feed.py). While no program subscribes, nothing is read.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from gateway import clock
from gateway.batch import Batch
from gateway.core.ground.opened import Bundle, Opened
from gateway.core.ground.session import Lease
from gateway.core.ground.systems import Systems
from gateway.endpoints.feed import TELEMETRY, VIDEO, Feed, Origin
from gateway.ground.owners import Owners
from gateway.report.role_status import FeedStatus
from keys.lanes import VIDEO_LANES

_TOPICS = dict(zip(VIDEO_LANES, VIDEO, strict=True))


class Publication:
    """`owners` and `systems` have the aircraft's names and MAVLink system ids."""

    def __init__(self, feed: Feed, owners: Owners, systems: Systems) -> None:
        self.feed, self._owners, self._systems = feed, owners, systems

    def telemetry(self, bundles: Iterable[Bundle]) -> None:
        groups = ((self._origin(bundle.lease, bundle.arrived), bundle.frames) for bundle in bundles if bundle.frames)
        self.feed.publish(TELEMETRY, groups)

    def video(self, opened: Opened, batch: Batch, now: float) -> None:
        for lease, slots in opened.video.items():
            self.feed.publish(_TOPICS[lease.lane], self._video(lease, slots, batch, now))

    def opened_in_c(self, lease: Lease, datagrams: Iterable[bytes], now: float) -> None:
        self.feed.publish(_TOPICS[lease.lane], [(self._origin(lease, now), datagrams)])

    def _video(
        self, lease: Lease, slots: Sequence[int], batch: Batch, now: float
    ) -> Iterator[tuple[Origin, Iterable[memoryview]]]:
        for age, came in groupby(slots, batch.age):
            yield self._origin(lease, now - age), map(batch.view, came)

    def _origin(self, lease: Lease, arrived: float) -> Origin:
        device = lease.session.device_public
        return Origin(
            device=self._owners.name(device),
            systems=self._systems.owned(device),
            session=lease.session.session_id.hex(),
            lane=lease.lane.name.lower(),
            time_us=round((time.time() - clock.now() + arrived) * 1e6),
        )

    def status(self) -> FeedStatus:
        feed = self.feed
        return FeedStatus(
            address=feed.address,
            state=feed.state,
            last_error=feed.last_error,
            published=dict(feed.published),
            subscriptions=dict(feed.subscriptions),
            refused=feed.refused,
            kept_out=feed.kept_out,
        )
