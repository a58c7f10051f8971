"""An aircraft whose every message the test composes, so that it can say what an honest announcer never would.

Its control datagrams are opened ones. `hear`, `drops_of` and `on_air` seal them under the key of the operation, which every
attacker has who was ever handed an order of it.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.batch import Batch
from gateway.core import fragment
from gateway.core.control_cipher import ControlCipher
from gateway.core.drop_reason import DropReason
from gateway.core.ground.listener import Listener, StationIdentity
from gateway.core.ground.session import LASTED_S, Session
from gateway.core.ground.starts import Start
from gateway.core.sealer import Sealer
from gateway.core.wire import FIRST_CONTROL, Evidence, Kind
from keys import announcement, cose
from keys.announcement import Announcement
from keys.beat import SESSION_MS_MAX, Beat
from keys.keyring import SendKey
from keys.lanes import Lane, downlink_kid
from keys.statement import Statement
from tests.memory_link import LANES, Station, World

PILOT_LANES = (Lane.TELEMETRY, Lane.VIDEO_A, Lane.VIDEO_B, Lane.EVIDENCE)


class Aboard:
    """One session of the world's device; `nibble`: what the first four bits of its session_id have to be."""

    def __init__(self, world: World, boot: int = 1, nibble: int | None = None, **stated: Any) -> None:
        self.world = world
        self.device_key: cose.PrivateKey = world.device_key
        while True:
            self.session_key = Ed25519PrivateKey.from_private_bytes(world.random.randbytes(32))
            public = self.session_key.public_key().public_bytes_raw()
            self.stated = dataclasses.replace(Statement(world.order.order_hash, 0, public, boot, 0), **stated)
            self.session_id = self.stated.session_id()
            if nibble in (None, self.session_id[0] >> 4):
                break
        self.seq = 0
        self.base_keys: dict[tuple[Lane, int], bytes] = {}
        self.fragments: dict[int, list[bytes]] = {}  # what the beats list, by station

    def kid(self, lane: Lane, epoch: int = 0) -> int:
        return downlink_kid(lane, self.session_id, epoch)

    def base_key(self, lane: Lane, epoch: int = 0) -> bytes:
        return self.base_keys.setdefault((lane, epoch), self.world.random.randbytes(32))

    # --- control datagrams ---

    def statement(self) -> bytes:
        (datagram,) = fragment.split(Kind.STATEMENT, self.stated.sign(self.device_key))
        return datagram

    def beat_message(self, **changes: Any) -> bytes:
        self.seq += 1
        listed = {i: [fragment.listed_hash(d) for d in parts] for i, parts in self.fragments.items()}
        next_ctr = dict.fromkeys((self.kid(lane, changes.get("epoch", 0)) for lane in LANES), 0)
        nonce, age = self.world.random.randbytes(8), SESSION_MS_MAX  # of a session so old nothing is late
        beat = Beat(self.session_id, self.seq, nonce, 0, next_ctr, 0, {}, listed, 0, 0, age, {})
        return dataclasses.replace(beat, **changes).sign(self.session_key)

    def beat(self, **changes: Any) -> bytes:
        (datagram,) = fragment.split(Kind.BEAT, self.beat_message(**changes))
        return datagram

    def announced(
        self, station: int = 1, epoch: int = 0, lanes: tuple[Lane, ...] = PILOT_LANES, **header_changes: Any
    ) -> Announcement:
        header = Announcement(self.session_id, self.world.order.order_hash, epoch, station, 5, {}, b"")
        header = dataclasses.replace(header, **header_changes)
        ours = next(s for s in self.world.order.content.stations if s.index == station)
        keys = {self.kid(lane, epoch): self.base_key(lane, epoch) for lane in lanes}
        return announcement.seal(header, ours.profile, ours.pub, keys, bytes(32))

    def announce(self, announced: Announcement | bytes) -> list[bytes]:
        """The fragments of a message, which the next beats list."""
        message = announced if isinstance(announced, bytes) else announced.sign(self.session_key)
        datagrams = fragment.split(Kind.ANNOUNCEMENT, message)
        self.fragments.setdefault(1, []).extend(datagrams)
        return datagrams

    def join(self, station: Station, now: float = 0.0, **beat: Any) -> None:
        """Have the station open this session's first epoch."""
        parts = self.announce(self.announced())
        station.receive(on_air(station.listener, self.statement(), self.beat(**beat), *parts), now)
        assert not station.drops

    # --- sealed datagrams ---

    def sealed(self, lane: Lane, plain: bytes, ctr: int = 0, epoch: int = 0) -> bytes:
        key = SendKey(self.base_key(lane, epoch), self.kid(lane, epoch))
        key.next_ctr = ctr
        return Sealer(self.session_id).seal_one(key, plain)

    def sealed_beat(self, ctr: int, message: bytes | None = None) -> bytes:
        return self.sealed(Lane.EVIDENCE, bytes([Evidence.BEAT]) + (message or self.beat_message()), ctr)


def on_air(ground: Listener, *datagrams: bytes) -> list[bytes]:
    """The control datagrams sealed as the ground opens them, the others as they are."""
    cipher = ControlCipher(ground.order.content.op_id)
    return [cipher.seal(datagram) if datagram[:1] == bytes([FIRST_CONTROL]) else datagram for datagram in datagrams]


def batch_of(*datagrams: bytes) -> Batch:
    batch = Batch(max(1, len(datagrams)))
    batch.hold(datagrams)
    return batch


def drops_of(station: Station, *datagrams: bytes, now: float = 0.0) -> dict[DropReason, int]:
    """What each reason's counter moved by when the station heard these."""
    before = station.opener.drops.copy()
    station.receive(on_air(station.listener, *datagrams), now)
    return dict(station.opener.drops - before)


def device_of(world: World) -> bytes:
    return world.order.content.devices[0].pub


def ears(world: World, index: int = 1, boot: int | None = None, named: Start | None = None) -> Listener:
    """The listener of a station, which has heard boot counter `boot` of the device before."""
    known = {} if boot is None else {device_of(world): (boot, b"the session of then")}
    return Listener(world.order, StationIdentity(index, world.profile, world.seeds[index]), known, named)


def hear(ground: Listener, *datagrams: bytes, now: float = 0.0) -> list[DropReason | None]:
    return [ground.control(datagram, now) for datagram in on_air(ground, *datagrams)]


def last(ground: Listener, aboard: Aboard, now: float = 0.0) -> float:
    """Have the session open, and beat for so long that it is remembered; the time of its last beat."""
    parts = aboard.announce(aboard.announced())
    assert set(hear(ground, aboard.statement(), aboard.beat(), *parts, now=now)) == {None}
    for _ in range(int(LASTED_S)):
        now += 1
        assert hear(ground, aboard.beat(), now=now) == [None]
    return now


def the_session(ground: Listener) -> Session:
    (session,) = ground.sessions.values()
    return session


def damaged(datagram: bytes) -> bytes:
    """The datagram with one bit of its tag changed."""
    return datagram[:-1] + bytes([datagram[-1] ^ 1])
