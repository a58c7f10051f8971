"""An aircraft and its stations in memory: no socket, no clock, every schedule from a seed.

Used by the property and hostile tests. The keys are made here, per test; nothing is stored.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastcrc.crc16 import mcrf4xx

from gateway.batch import Batch
from gateway.core.air.announcer import Announcer, DeviceStart
from gateway.core.air.uplink_opener import UplinkOpener
from gateway.core.bundle import Bundler
from gateway.core.control_cipher import ControlCipher
from gateway.core.ground.listener import Listener, StationIdentity
from gateway.core.ground.opener import Opener
from gateway.core.ground.starts import Start
from gateway.core.ground.uplink_sessions import UplinkSessions
from gateway.core.refusal import Refusal
from gateway.core.wire import FIRST_CONTROL, LINK_MTU, Kind, parse_control
from keys import grant
from keys.grant import Profile
from keys.lanes import Lane, Role
from keys.order import Order, Policy, VerifiedOrder
from keys.order_device import OrderDevice
from keys.order_station import OrderStation

LANES = (Lane.TELEMETRY, Lane.OBSERVER_TELEMETRY, Lane.VIDEO_A, Lane.VIDEO_B, Lane.EVIDENCE)
PILOT = Role.TELEMETRY | Role.VIDEO | Role.COMMAND
OBSERVER = Role.TELEMETRY | Role.VIDEO


class World:
    """One agency's order over one device, and the seeds of its stations. `seed` decides all randomness but HPKE's."""

    def __init__(
        self,
        seed: int = 0,
        roles: Iterable[Role] = (PILOT, OBSERVER),
        profile: Profile = Profile.X25519,
        policy: Policy | None = None,
    ) -> None:
        self.random = random.Random(seed)
        self.device_key = Ed25519PrivateKey.generate()
        self.seeds: dict[int, bytes] = {}
        stations = []
        for index, role in enumerate(roles, 1):
            self.seeds[index] = grant.generate(profile, os.urandom)
            public = grant.public_bytes(profile, self.seeds[index])
            guard = "pilot" if role & Role.COMMAND else "observer"
            stations.append(OrderStation(index, f"station-{index}", profile, public, role, guard, None, None))
        device = OrderDevice("drone", -19, self.device_key.public_key().public_bytes_raw())
        self.order = verified(
            Order(
                op_id=self.random.randbytes(16),
                serial=1,
                not_before=1_700_000_000,
                not_after=1_700_030_000,
                agency="agency",
                operation="operation",
                classification="regular",
                devices=(device,),
                stations=tuple(stations),
                recording=(),
                previous=None,
                policy=policy or Policy(announce_s=2),
            )
        )
        self.profile = profile
        self.boots = 0

    def aircraft(self, now: float = 0.0, link_bps: int = 8_000_000, lanes: tuple[Lane, ...] = LANES) -> Aircraft:
        """The next start of the aircraft."""
        self.boots += 1
        return Aircraft(self, self.boots, now, link_bps, lanes)

    def after(self, former: Aircraft, now: float) -> Aircraft:
        """The session that takes the place of `former`'s in one process, as gateway.air.session_manager begins it."""
        former.announcer.close(now)
        made = self.aircraft(now)
        while made.announcer.session_id[0] == former.announcer.session_id[0]:
            made = self.aircraft(now)
        return made

    def station(
        self, index: int = 1, known: Mapping[bytes, Sequence[Any]] | None = None, named: Start | None = None
    ) -> Station:
        """`known`, `named`: what it remembers of the device and the start that its operator accepts, as in `Starts`."""
        return Station(self, index, known or {}, named)

    def opened(self, datagrams: Iterable[bytes]) -> list[bytes]:
        """The control datagrams among these, as who has the order opens them."""
        cipher = ControlCipher(self.order.content.op_id)
        return [opened for datagram in datagrams if datagram[0] == FIRST_CONTROL and (opened := cipher.open(datagram))]

    def on_air(self, datagrams: Iterable[bytes]) -> list[bytes]:
        """Control datagrams sealed as whoever has an order of the operation can seal them."""
        cipher = ControlCipher(self.order.content.op_id)
        return [cipher.seal(datagram) for datagram in datagrams]

    def kind(self, datagram: bytes) -> Kind | None:
        """What a datagram on the air carries; None if it is no control datagram."""
        parsed = [parse_control(opened) for opened in self.opened([datagram])]
        return parsed[0][0].kind if parsed and parsed[0] else None


def verified(order: Order) -> VerifiedOrder:
    payload = order.payload()
    return VerifiedOrder(order, hashlib.sha256(payload).digest(), 1, payload)


class Aircraft:
    def __init__(self, world: World, boot: int, now: float, link_bps: int, lanes: tuple[Lane, ...]) -> None:
        device = DeviceStart(0, world.device_key, boot)
        self.announcer = Announcer(world.order, device, lanes, link_bps, world.random.randbytes, now)
        self.uplink_opener = UplinkOpener(self.announcer)
        self.commands: list[tuple[int, bytes]] = []  # (station, frame) of all that came up
        self.bundler = Bundler(LINK_MTU, world.order.content.policy.pad, now)
        self.batch = Batch()

    def control(self, now: float) -> list[bytes]:
        return self.announcer.datagrams(now)

    @property
    def drops(self) -> Counter[str]:
        return Counter({reason.value: count for reason, count in self.uplink_opener.drops.items() if count})

    def receive(self, datagrams: Iterable[bytes], now: float, by: Hashable = None) -> None:
        """`by`: the address that they came from."""
        for batch in batches(datagrams):
            self.commands += self.uplink_opener.open(batch, now, lambda _: by).frames

    def seal(self, lane: Lane, plain: Iterable[bytes]) -> list[bytes]:
        """The sealed datagrams of at most 64 plain ones."""
        key = self.announcer.send_key(lane)
        assert key is not None
        self.batch.hold(plain)
        self.announcer.sealer.seal(key, self.batch)
        return self.batch.datagrams()

    def telemetry(self, frames: list[bytes], now: float) -> list[bytes]:
        """Frames as the air role sends them: bundled, then sealed for each class of readers."""
        self.bundler.add(frames, now)
        self.batch.clear()
        self.bundler.bundle_into(self.batch, now)
        bundles = self.batch.datagrams()
        lanes = [lane for lane in (Lane.TELEMETRY, Lane.OBSERVER_TELEMETRY) if self.announcer.send_key(lane)]
        return [sealed for lane in lanes for sealed in self.seal(lane, bundles)]


class Station:
    def __init__(self, world: World, index: int, known: Mapping[bytes, Sequence[Any]], named: Start | None = None) -> None:
        self.world = world
        self.listener = Listener(world.order, StationIdentity(index, world.profile, world.seeds[index]), known, named)
        self.opener = Opener(self.listener)
        self.sessions = UplinkSessions(world.order, index, LINK_MTU, world.random.randbytes)
        self.frames: list[bytes] = []
        self.video: dict[Lane, list[bytes]] = {Lane.VIDEO_A: [], Lane.VIDEO_B: []}

    @property
    def drops(self) -> Counter[str]:
        return Counter({reason.value: count for reason, count in self.opener.drops.items() if count})

    def receive(self, datagrams: Iterable[bytes], now: float) -> None:
        for batch in batches(datagrams):
            self.read(batch, now)

    def read(self, batch: Batch, now: float) -> None:
        opened = self.opener.open(batch, now)
        self.frames += [bytes(f) for bundle in self.sessions.systems.sift(opened.bundles) for f in bundle.frames]
        for lease, slots in opened.video.items():
            self.video[lease.lane] += [bytes(batch.view(slot)) for slot in slots]

    def control(self, now: float) -> list[bytes]:
        """The challenges that are due, by the one way that there is, and orders."""
        self.sessions.follow(self.listener.sessions.values(), now)
        return [datagram for _, datagram in self.sessions.challenges([(0, "radio")], now)] + self.sessions.control(now)

    def seal(self, frames: list[bytes], now: float) -> list[bytes] | Refusal:
        self.sessions.follow(self.listener.sessions.values(), now)
        if refusal := self.sessions.refusal(now):
            return refusal
        self.sessions.systems.hear_stations(frames)
        sealed = self.sessions.seal(frames, now)
        return sealed.datagrams if sealed.sent or not frames else sealed.refused[0][1]


def batches(datagrams: Iterable[bytes]) -> Iterator[Batch]:
    """One batch, filled again and again."""
    return Batch().refill(list(datagrams))


def join(world: World, station: Station, aircraft: Aircraft, now: float) -> float:
    """Let the station hear control until it opens the current epoch; returns the time then."""
    for _ in range(200):
        station.receive(aircraft.control(now), now)
        if any(session.granted for session in station.listener.sessions.values()):
            return now
        now += 0.05
    raise AssertionError(f"the station did not join: {station.drops}")


def command(world: World, station: Station, aircraft: Aircraft, now: float) -> float:
    """Join, and let challenges and beats go to and fro until the station may command; returns the time then."""
    now = join(world, station, aircraft, now)
    for _ in range(200):
        aircraft.receive(station.control(now), now)
        station.receive(aircraft.control(now), now)
        if station.sessions.commanded[0].answered(now):
            return now
        now += 0.05
    raise AssertionError(f"no challenge was answered: {aircraft.drops}, {station.drops}")


Air = Callable[[list[bytes]], list[bytes]]


def lossy(rng: random.Random, *, loss: float = 0.0, duplicate: float = 0.0, swap: float = 0.0, damage: float = 0.0) -> Air:
    """A radio: each datagram may be lost, doubled, swapped with its neighbour, cut or have a bit flipped."""

    def air(datagrams: list[bytes]) -> list[bytes]:
        out: list[bytes] = []
        for datagram in datagrams:
            if rng.random() < loss:
                continue
            out.append(_damaged(rng, datagram) if rng.random() < damage else datagram)
            if rng.random() < duplicate:
                out.append(datagram)
        for i in range(len(out) - 1):
            if rng.random() < swap:
                out[i], out[i + 1] = out[i + 1], out[i]
        return out

    return air


def _damaged(rng: random.Random, datagram: bytes) -> bytes:
    if rng.random() < 0.3:
        return datagram[: rng.randrange(len(datagram))]
    at = rng.randrange(len(datagram) * 8)
    return bytes(byte ^ (1 << at % 8 if i == at // 8 else 0) for i, byte in enumerate(datagram))


def mavlink_frame(rng: random.Random, seq: int, sysid: int = 1) -> bytes:
    """A MAVLink 2 frame of a random id with a random payload and CRC_EXTRA: the link must not care what it says."""
    size = rng.randrange(1, 256)
    header = bytes([0xFD, size, 0, 0, seq & 0xFF, sysid, 1]) + rng.randbytes(3)
    *payload, extra, _ = rng.randbytes(size + 2)
    frame = header + bytes(payload)
    return frame + mcrf4xx(frame[1:] + bytes([extra]), 0xFFFF).to_bytes(2, "little")
