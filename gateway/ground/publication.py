"""Publication: what a ground opens goes to the subscribers of its feeds, with the aircraft, the session and the time.

One feed is in the folder of the status socket, and there may be another by TCP. Each has its own subscribers: what programs
do to the second never reaches those of the first.

Telemetry waits some 40 ms for more of it, or for video: waking the thread that sends takes longer than sending does.

What must not live here: ZeroMQ and who may subscribe (endpoints/feed.py). While no program subscribes, nothing is read.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from gateway import clock, ipc
from gateway.batch import Batch
from gateway.core.ground.opened import Bundle, Opened
from gateway.core.ground.session import Lease
from gateway.core.ground.systems import Systems
from gateway.endpoints.feed import TELEMETRY, VIDEO, Feed, Origin, leaves_computer
from gateway.endpoints.plain_users import PlainUsers
from gateway.ground.owners import Owners
from gateway.report import runtime_folder
from gateway.report.alarms import Alarms, Reason
from gateway.report.role_status import FeedStatus
from keys.lanes import VIDEO_LANES

HOLD_S = 0.04  # more than the time between two pictures; telemetry that comes after this time goes with that which waits
FLUSH_AFTER_S = 0.08  # and if none comes
HELD_MAX = 64  # bundles
_TOPICS = dict(zip(VIDEO_LANES, VIDEO, strict=True))


class Publication:
    """`here`: next to the status; None if there is no folder for it, which `fault` says. `tcp`: None if none is configured.
    `owners` and `systems` have the aircraft's names and MAVLink system ids.
    """

    def __init__(self, station: str, tcp: str | None, users: PlainUsers | None, owners: Owners, systems: Systems) -> None:
        self._owners, self._systems = owners, systems
        self.here, self.fault = _here(station)
        self.tcp = Feed(tcp, users) if tcp else None
        self._feeds = [feed for feed in (self.tcp, self.here) if feed]
        self._held: list[tuple[Origin, Sequence[bytes]]] = []
        self._held_since = math.inf

    def tick(self, now: float) -> None:
        for feed in self._feeds:
            feed.tick(now)

    def close(self) -> None:
        for feed in self._feeds:
            feed.close()

    def alarm(self, alarms: Alarms, now: float) -> None:
        if self.tcp and leaves_computer(self.tcp.address):
            alarms.raise_(Reason.FEED_IN_CLEAR, now, address=self.tcp.address)

    @property
    def wants_video(self) -> bool:
        """Whether a program has subscribed to it: then Python sees each turn of it."""
        return any(feed.wants(topic) for feed in self._feeds for topic in VIDEO)

    def telemetry(self, bundles: Iterable[Bundle]) -> None:
        if not any(feed.wants(TELEMETRY) for feed in self._feeds):
            return
        for bundle in bundles:
            if bundle.frames:  # padding has none
                self._held.append((self._origin(bundle.lease, bundle.arrived), [*map(bytes, bundle.frames)]))
        if not self._held:
            return
        now = clock.now()
        self._held_since = min(self._held_since, now)
        if now >= self._held_since + HOLD_S or len(self._held) > HELD_MAX:
            self.flush()

    def next_due(self) -> float:
        return self._held_since + FLUSH_AFTER_S

    def flush(self) -> None:
        """Publish the telemetry that waits."""
        held, self._held, self._held_since = self._held, [], math.inf
        for feed in self._feeds if held else ():
            feed.publish(TELEMETRY, held)

    def video(self, opened: Opened, batch: Batch, now: float) -> None:
        for lease, slots in opened.video.items():
            self._publish(_TOPICS[lease.lane], self._video(lease, slots, batch, now))

    def opened_in_c(self, lease: Lease, datagrams: Iterable[bytes], now: float) -> None:
        self._publish(_TOPICS[lease.lane], ((self._origin(lease, now), each) for each in (datagrams,)))

    def _publish(self, topic: str, groups: Iterable[tuple[Origin, Iterable[bytes | memoryview]]]) -> None:
        feeds = [feed for feed in self._feeds if feed.wants(topic)]
        if feeds:
            self.flush()
        if len(feeds) > 1:
            groups = [(origin, [bytes(datagram) for datagram in datagrams]) for origin, datagrams in groups]
        for feed in feeds:
            feed.publish(topic, groups)

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
        """Of the feed next to the status."""
        return _status(self.here) if self.here else FeedStatus(last_error=self.fault)

    def status_of_tcp(self) -> FeedStatus | None:
        return _status(self.tcp) if self.tcp else None


def _here(station: str) -> tuple[Feed | None, str]:
    try:
        folder = runtime_folder.of_ground()
    except OSError as error:
        return None, f"there is no feed: {error}"
    return Feed(f"{ipc.SCHEME}{folder / runtime_folder.socket_name('ground', station, runtime_folder.FEED)}"), ""


def _status(feed: Feed) -> FeedStatus:
    return FeedStatus(
        address=feed.address,
        state=feed.state,
        last_error=feed.last_error,
        published=dict(feed.published),
        subscriptions=dict(feed.subscriptions),
        behind=feed.behind,
        refused=feed.refused,
        kept_out=feed.kept_out,
    )
