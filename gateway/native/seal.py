"""Seal: the turn of one camera in C. It receives, seals and sends what is plain; whatever else comes is Python's.

What lives here: what turn.c has to know, and counting what it did. What must not: deciding what may leave the aircraft.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

from gateway.batch import Batch
from gateway.endpoints.direct import Direct, Left
from gateway.native.ends import collect_source, collect_targets, end_of, fill_source, fill_targets, targets_of
from gateway.native.library import Library
from gateway.native.structures import FAILED, READ, UNSENT, Seal
from gateway.recording.group import PORTS, Group
from gateway.recording.stage import Stages
from keys.keyring import REJECT_AFTER_PACKETS, SendKey


class SealTurn:
    """One camera. `prepare`, then `turn` as long as nothing has changed; `collect` before Python reads from the camera."""

    def __init__(self, library: Library, camera: Direct, batch: Batch) -> None:
        self._library, self._camera, self._batch = library, camera, batch
        self._in_c = Seal(reject_after=REJECT_AFTER_PACKETS)
        self._source = self._in_c.source  # each access by way of the whole makes an object
        self._at = ctypes.addressof(self._in_c)
        self.end = end_of(library, self._at, batch.capacity)
        self._key: SendKey | None = None
        self._links: list[Direct] = []
        self._name = b""
        self._stages: Stages | None = None  # C has its address
        self.late = self.failed = 0  # datagrams that were dropped after a standstill; that OpenSSL did not seal
        library.make(self._in_c.cipher)

    def record(self, stages: Stages, group: Group) -> None:
        """Copy what comes there before it is sealed, whenever this group is wanted, and hand over what waits."""
        self._stages = stages
        self._in_c.stages, self._in_c.group, self._in_c.port = stages.address, stages.place(group), PORTS[group][0]

    def prepare(self, key: SendKey, session_id: bytes, largest: int, links: Sequence[Direct], until: float) -> bool:
        """Whether the next turns are plain: until this time, of the camera's one sender, to all receivers of the links."""
        source = self._camera.source(self._batch, self._camera.only_sender(), until)
        targets = targets_of(links)
        if source is None or not targets:
            return False
        if key is not self._key:
            self._library.take_key(self._in_c.cipher, key.sframe_key, key.salt, key.kid, session_id)
            self._key, self._in_c.counter = key, key.counter.buffer_info()[0]
        self._in_c.largest = largest
        self._name = source.name
        fill_source(self._source, source)
        self._links = fill_targets(self._in_c.to, targets)
        return True

    def renew(self) -> bool:
        """Whether the sender is accepted still, and so the next turns are plain, until it has to be looked at again."""
        if (until := self._camera.accepted_until(self._name)) is None:
            return False
        self._source.until = until
        return True

    def seal_below(self, ctr: int) -> None:
        """What would use this counter or a higher one is Python's."""
        self._in_c.reject_after = min(ctr, REJECT_AFTER_PACKETS)

    @property
    def fd(self) -> int:
        """The descriptor that it reads."""
        return int(self._source.fd)

    def turn(self, now: float) -> int | None:
        """How many datagrams were sealed and sent; None if this turn is Python's, which finds what was read."""
        done: int = self._library.turn(self._at)
        return done if done >= 0 else self.ended(done, now)

    def ended(self, done: int, now: float) -> int | None:
        """The same for a turn that began at `now` and returned `done`, less than 0."""
        count: int = self._source.count
        self.collect(now)
        if done == UNSENT:
            return count
        if done == READ:
            self._camera.take_back(self._batch, Left(now, count))
        elif done == FAILED:
            self._camera.read_failed(self._source.error, now)
        return None

    def collect(self, now: float) -> None:
        """Count what the turns since the last `collect` did."""
        self.late += self._source.late
        self.failed += self._source.failed
        collect_source(self._source, self._camera, self._name, now)
        collect_targets(self._in_c.to, self._links, now)

    def forget(self) -> None:
        """Wipe the key, until the next `prepare`. No turn is C's until then, or it would seal with zeros."""
        self._key, self._source.until = None, 0.0
        self._library.wipe(self._in_c.cipher)

    def close(self) -> None:
        """For good."""
        self._library.free(self._in_c.cipher)
