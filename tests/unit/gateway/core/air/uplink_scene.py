"""An aircraft and three stations of different roles, whose uplink the test composes."""

from __future__ import annotations

from typing import Any

import numpy as np

from gateway.batch import Batch
from gateway.core.air.uplink_opener import Accepted
from gateway.core.sealer import Sealer
from keys.keyring import SendKey
from keys.lanes import Lane, Role, uplink_kid
from keys.order import Policy
from tests.memory_link import OBSERVER, PILOT, Aircraft, World, mavlink_frame

WITH_CONTROL = Role.TELEMETRY | Role.CONTROL


class Scene:
    """An aircraft, and a hand that seals what it likes under the keys that were drawn."""

    def __init__(self, roles: tuple[Role, ...] = (PILOT, OBSERVER, WITH_CONTROL), policy: Policy | None = None) -> None:
        self.world = World(1, roles=roles, policy=policy)
        self.aircraft: Aircraft = self.world.aircraft()
        self.announcer = self.aircraft.announcer
        self.announcer.datagrams(0.0)
        self.frame = mavlink_frame(self.world.random, 7)

    @property
    def nonce(self) -> bytes:
        return self.announcer.freshness._beats[-1][1]

    def key(self, lane: Lane = Lane.UPLINK, station: int = 1, epoch: int = 0, now: float = 0.0, **other: bytes) -> SendKey:
        """Of a new `instance` unless it is given; `base` and `session_id` may be what they should not be."""
        base = other.get("base") or self.announcer.uplink_keys(now)[epoch][station]
        session_id = other.get("session_id", self.announcer.session_id)
        instance = other.get("instance") or self.world.random.randbytes(5)
        return SendKey(base, uplink_kid(lane, station, session_id, epoch, instance))

    def sealed(self, key: SendKey, plain: bytes, session_id: bytes = b"") -> bytes:
        return Sealer(session_id or self.announcer.session_id).seal_one(key, plain)

    def command(self, key: SendKey | None = None, now: float = 0.0, beat: int = -1) -> bytes:
        """`beat`: which of those that the aircraft remembers is echoed."""
        nonce = self.announcer.freshness._beats[beat][1]
        return self.sealed(key or self.key(now=now), nonce + self.frame + bytes(20))

    def open(self, *datagrams: bytes, now: float = 0.0, by: str = "radio", waited: tuple[float, ...] = (0.0,)) -> Accepted:
        """`waited`: for how long each of them had, or all, before the read."""
        batch = Batch(max(1, len(datagrams)))
        for datagram in datagrams:
            batch.append(datagram)
        batch.waited(max(waited), np.resize(np.array(waited), len(datagrams)))
        return self.aircraft.uplink_opener.open(batch, now, lambda _: by)

    def drops(self, *datagrams: bytes, now: float = 0.0, **how: Any) -> dict[str, int]:
        """What each reason's counter moved by; nothing may have been accepted."""
        before = self.aircraft.drops
        accepted = self.open(*datagrams, now=now, **how)
        assert accepted == Accepted(copies=accepted.copies)
        return dict(self.aircraft.drops - before)
