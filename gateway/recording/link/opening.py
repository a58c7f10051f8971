"""Opening: one start of a ground, opened again as that ground opened it, with the times at which its datagrams came.

What lives here: the batches, the orders that came into force between them, and what was inside, one session's. What must
not: files, finding sessions. It is the ground's own opener and listener (gateway.core.ground), which are given time and
orders as arguments; so what a ground did not open for want of a key, a beat or an order is not opened here either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from gateway.batch import CAPACITY, ROOM, Batch
from gateway.core.ground.listener import Listener
from gateway.core.ground.opened import Bundle, Opened
from gateway.core.ground.opener import Opener
from gateway.core.ground.reorder import WAIT_S, Reorder
from gateway.recording.group import Port
from gateway.recording.link import form
from gateway.recording.link.form import Order
from gateway.recording.link.reading import event
from gateway.recording.pcap import Record
from keys.lanes import VIDEO_LANES, Lane
from keys.order import VerifiedOrder

TICK_S = 0.4  # as a ground does (gateway/ground/role.py)
SECOND_NS = 1_000_000_000
_VIDEO = dict(zip(VIDEO_LANES, (Port.VIDEO_A, Port.VIDEO_B), strict=True))


class Came(NamedTuple):
    """Datagrams that were read together: one link, one time."""

    time_ns: int
    port: int
    datagrams: list[bytes]


class Opening:
    """Of one session in one start. `links`: how many that ground had. `order`: one by its hash, verified, if it is here."""

    def __init__(
        self, listener: Listener, session_id: bytes, links: int, order: Callable[[str], VerifiedOrder | None]
    ) -> None:
        self._listener, self._session_id, self._order = listener, session_id, order
        self._opener = Opener(listener)
        self._reorder = Reorder(lambda _session, _now: links > 1)
        self._batch = Batch(CAPACITY)
        self._tick_at = self._now = 0.0

    def is_granted(self, records: Iterable[Record]) -> bool:
        """Whether these bring keys of the session; they are read up to there."""
        return any(self._has_keys() for _ in self._each(records))

    def _has_keys(self) -> bool:
        session = self._listener.sessions.get(self._session_id[:8])
        return session is not None and session.opened

    def run(self, records: Iterable[Record]) -> Iterator[Record]:
        """What the session's datagrams held; times as those of `records`, and in their sequence but for reordered ones."""
        for found in self._each(records):
            yield from found
        yield from self._due(self._now + WAIT_S)

    def _each(self, records: Iterable[Record]) -> Iterator[list[Record]]:
        """What each batch held."""
        for what in _together(records):
            if isinstance(what, Order):
                self._adopt(what)
            else:
                yield [*self._open(what)]

    def _adopt(self, said: Order) -> None:
        found = self._order(said.order_hash)
        if found is not None and found.order_hash != self._listener.order.order_hash:
            self._listener.adopt(found)

    def _open(self, came: Came) -> Iterator[Record]:
        self._now = now = came.time_ns / SECOND_NS
        if now >= self._tick_at:
            self._tick_at = now + TICK_S
            self._listener.tick(now)
        yield from self._due(now)
        self._batch.hold(came.datagrams)
        opened = self._opener.open(self._batch, now)
        yield from self._frames(self._reorder.put(opened.bundles, now))
        yield from self._pictures(opened, came.time_ns)

    def _due(self, now: float) -> Iterator[Record]:
        """What waited for a gap until now; each at the time at which a ground would have handed it on."""
        while (due := self._reorder.next_due()) <= now:
            yield from self._frames(self._reorder.release(due))

    def _frames(self, bundles: Sequence[Bundle]) -> Iterator[Record]:
        for bundle in bundles:
            if bundle.lease.session.session_id == self._session_id:
                time_ns = round(bundle.arrived * SECOND_NS)
                yield from (Record(time_ns, int(Port.TELEMETRY), bytes(frame)) for frame in bundle.frames)

    def _pictures(self, opened: Opened, time_ns: int) -> Iterator[Record]:
        for lease, slots in opened.video.items():
            if lease.session.session_id == self._session_id:
                port = int(_VIDEO[Lane(lease.lane)])
                yield from (Record(time_ns, port, bytes(self._batch.view(slot))) for slot in slots)


def _together(records: Iterable[Record]) -> Iterator[Came | Order]:
    """Datagrams of one link and one time, as many as a batch holds; and the orders between them."""
    came = Came(0, 0, [])
    for record in records:
        if form.link_of(record.port) is None:
            if isinstance(said := event(record), Order):
                if came.datagrams:
                    yield came
                came = Came(0, 0, [])
                yield said
            continue
        if len(record.content) > ROOM:  # no ground reads one
            continue
        if (record.time_ns, record.port) != came[:2] or len(came.datagrams) == CAPACITY:
            if came.datagrams:
                yield came
            came = Came(record.time_ns, record.port, [])
        came.datagrams.append(record.content)
    if came.datagrams:
        yield came
