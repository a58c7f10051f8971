"""Open: the turn of one link in C. It receives, opens and sends to players what is plain; whatever else comes is Python's.

What lives here: what turn.c has to know, and counting what it did. What must not: which lanes may be opened (the listener).
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from gateway.batch import Batch
from gateway.core.ground.session import Lease, OpeningKey
from gateway.endpoints.direct import Direct, Left
from gateway.native.ends import collect_source, collect_targets, end_of, fill_source, fill_targets, targets_of
from gateway.native.library import Library
from gateway.native.structures import FAILED, LANES, PLAYERS, READ, UNSENT, Open
from gateway.recording.group import Group
from gateway.recording.stage import Stages
from keys.lanes import VIDEO_LANES


class Opened(NamedTuple):
    """What turns have done for one lease: datagrams with so many counters were opened, and others failed their tag.

    `ctrs` ends with the highest that the window has accepted.
    """

    lease: Lease
    ctrs: range
    bad_tag: int


class OpenTurn:
    """One link. `prepare`, then `turn` as long as nothing has changed; `collect` before Python reads from the link."""

    def __init__(self, library: Library, link: Direct, players: Sequence[Direct], batch: Batch) -> None:
        self._library, self._link, self._players, self._batch = library, link, players, batch
        self._in_c = Open()
        self._source = self._in_c.source  # each access by way of the whole makes an object
        self._at = ctypes.addressof(self._in_c)
        self.end = end_of(library, self._at, batch.capacity)
        self._leases: list[Lease] = []
        self._keys: list[OpeningKey | None] = [None] * LANES  # whose bytes are in the cipher of each lane
        self._receivers: list[list[Direct]] = [[] for _ in range(PLAYERS)]
        self.name = b""
        self.late = 0  # datagrams that were dropped after a standstill
        for lane in self._in_c.lanes:
            library.make(lane.cipher)

    def record(self, stages: Stages, group: Group, port: int) -> None:
        """Copy what comes there before it is opened, in records of this port. The caller keeps the stages."""
        self._in_c.stages, self._in_c.group, self._in_c.port = stages.address, stages.place(group), port

    def prepare(self, leases: Sequence[Lease], name: object, until: float, *, feed: bool) -> bool:
        """Whether the next turns are plain: until this time, of the one sender `name`, in the lanes of these leases.

        `feed`: the opened datagrams are wanted, so a lane without a player is plain too.
        """
        source = self._link.source(self._batch, name, until)
        targets = [targets_of([player]) for player in self._players]
        shown = [found is not None and (feed or bool(found)) for found in targets]
        plain = [lease for lease in leases if (shown[place] if (place := _place(lease)) < len(shown) else feed)][:LANES]
        self._take(plain)
        if source is None or not source.rows or not plain:  # without rows, there is no room for what is larger than a slot
            return False
        fill_source(self._source, source)
        self.name, self._in_c.rows, self._in_c.row_size = source.name, source.rows, source.row_size
        for place, found in enumerate(targets):
            self._receivers[place] = fill_targets(self._in_c.to[place], found or [])
        return True

    def _take(self, leases: Sequence[Lease]) -> None:
        """The keys of these leases, and no others. A lane is not moved: its key would have to be taken again."""
        wanted = {id(lease.key): lease for lease in leases}
        if any(key is not None and id(key) not in wanted for key in self._keys) or len(leases) != len(self._leases):
            self.forget()
            for number, lease in enumerate(leases):
                self._take_one(number, lease)
        self._leases = [wanted[id(key)] for key in self._keys if key is not None]
        self._in_c.lanes_count = len(self._leases)
        for lane, lease in zip(self._in_c.lanes, self._leases, strict=False):
            lane.below = lease.below

    def _take_one(self, number: int, lease: Lease) -> None:
        lane, key, window = self._in_c.lanes[number], lease.key, lease.key.window
        self._library.take_key(lane.cipher, key.sframe_key, key.salt, key.kid, lease.session.session_id)
        lane.top, lane.seen = window.highest.buffer_info()[0], window.seen.ctypes.data
        lane.mask, lane.player = window.size - 1, _place(lease)
        self._keys[number] = key

    def renew(self, until: float) -> bool:
        """After a read by Python, if nothing but that has changed since `prepare`: whether the next turns are plain."""
        if (since := self._link.reread()) is None:
            return False
        self._source.since, self._source.until = since, until
        return True

    @property
    def fd(self) -> int:
        """The descriptor that it reads."""
        return int(self._source.fd)

    def turn(self, now: float) -> int | None:
        """How many messages were opened and sent; None if this turn is Python's, which finds what was read."""
        done: int = self._library.turn(self._at)
        return done if done >= 0 else self.ended(done, now)

    def ended(self, done: int, now: float) -> int | None:
        """The same for a turn that began at `now` and returned `done`, less than 0."""
        source = self._source
        self._link.was_read(0, 0, self.name, source.since, now)
        if done == UNSENT:
            self._collect_ends(now)
            return int(source.count)
        if done == READ:
            self._link.take_back(self._batch, Left(now, source.count, source.row, source.at, self._in_c.sizes))
        elif done == FAILED:
            self._link.read_failed(source.error, now)
        return None

    @property
    def more(self) -> bool:
        """Whether the last turn read as much as it could."""
        source = self._source
        return bool(source.count == source.most)

    def datagrams(self) -> Iterator[tuple[Lease, Iterable[bytes]]]:
        """What the last turn opened, by each lease in turn. It is there until the next turn."""
        for out in self._in_c.to:
            for lane, parts in groupby(range(out.count), out.lanes.__getitem__):
                yield self._leases[lane], (ctypes.string_at(out.parts[n].at, out.parts[n].size) for n in parts)

    def collect(self, now: float) -> list[Opened]:
        """Count what the turns since the last `collect` did; what they opened."""
        opened = []
        for lane, lease in zip(self._in_c.lanes, self._leases, strict=False):
            if lane.opened or lane.bad_tag:
                top = lease.key.window.top
                opened.append(Opened(lease, range(top + 1 - lane.opened, top + 1), lane.bad_tag))
                lane.opened = lane.bad_tag = 0
        self._collect_ends(now)
        return opened

    def _collect_ends(self, now: float) -> None:
        self.late += self._source.late
        collect_source(self._source, self._link, self.name, now)
        for out, receivers in zip(self._in_c.to, self._receivers, strict=True):
            collect_targets(out, receivers, now)

    @property
    def keys(self) -> set[OpeningKey]:
        """Those whose bytes C has."""
        return {key for key in self._keys if key is not None}

    def forget(self) -> None:
        """Wipe all keys, until the next `prepare`."""
        for number, lane in enumerate(self._in_c.lanes):
            if self._keys[number] is not None:
                self._library.wipe(lane.cipher)
                self._keys[number] = None
        self._leases, self._in_c.lanes_count = [], 0

    def close(self) -> None:
        """For good."""
        for lane in self._in_c.lanes:
            self._library.free(lane.cipher)


def _place(lease: Lease) -> int:
    """The number of the player."""
    return VIDEO_LANES.index(lease.lane)
