"""Two aircraft of one order in memory, a pilot over both, and the frames that pass between them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pymavlink.dialects.v20 import all as dialect

from gateway.batch import Batch
from gateway.core.air.announcer import Announcer, DeviceStart
from gateway.core.air.uplink_opener import UplinkOpener
from gateway.core.bundle import Bundler
from gateway.core.refusal import Refusal
from gateway.core.wire import LINK_MTU
from tests.memory_link import LANES, Aircraft, World, verified

STEP_S = 0.1
GCS = dialect.MAVLink(None, srcSystem=255, srcComponent=190)
GCS_BEAT = bytes(dialect.MAVLink_heartbeat_message(6, 8, 0, 0, 4, 3).pack(GCS))
COPTER = dialect.MAVLink_heartbeat_message(2, 3, 0, 0, 3, 3)


def sender(system: int, component: int = 1) -> dialect.MAVLink:
    return dialect.MAVLink(None, srcSystem=system, srcComponent=component)


def beat(system: int, component: int = 1) -> bytes:
    """A HEARTBEAT of an ArduPilot copter."""
    return bytes(COPTER.pack(sender(system, component)))


def position(system: int, latitude: int = 521111111) -> bytes:
    return bytes(dialect.MAVLink_global_position_int_message(0, latitude, 41111111, 0, 0, 0, 0, 0, 0).pack(sender(system)))


def arm(system: int) -> bytes:
    return bytes(dialect.MAVLink_command_long_message(system, 1, 400, 0, 1, 0, 0, 0, 0, 0, 0).pack(GCS))


def waypoint(system: int) -> bytes:
    fields = (system, 1, 3, 3, 16, 0, 1, 0, 0, 0, 0, 521234567, 43211234, 80, 0)
    return bytes(dialect.MAVLink_mission_item_int_message(*fields).pack(GCS))


class Two:
    """The first two devices of an order that has `devices`; the key of the second may be in other hands.

    `systems` are the ids that the order lists for each.
    """

    def __init__(self, systems: Sequence[tuple[int, ...]] = (), seed: int = 4) -> None:
        self.world = World(seed)
        (first,), self.key = self.world.order.content.devices, Ed25519PrivateKey.generate()
        second = dataclasses.replace(first, name="drone-2", pub=self.key.public_key().public_bytes_raw())
        devices = [first, second]
        if systems:
            devices = [dataclasses.replace(d, systems=ids) for d, ids in zip(devices, systems, strict=True)]
        self.world.order = verified(dataclasses.replace(self.world.order.content, devices=tuple(devices)))
        self.pilot = self.world.station(1)
        self.first = self.world.aircraft(0.0)
        self.second = self.start(1, self.key, 77, 0.0)
        self.now = 0.0

    def start(self, index: int, key: Ed25519PrivateKey, boot: int, now: float) -> Aircraft:
        """A session of the device at this place, by whoever has its key."""
        made = Aircraft.__new__(Aircraft)
        made.announcer = Announcer(
            self.world.order, DeviceStart(index, key, boot), LANES, 8_000_000, self.world.random.randbytes, now
        )
        made.uplink_opener, made.commands = UplinkOpener(made.announcer), []
        made.bundler, made.batch = Bundler(LINK_MTU, self.world.order.content.policy.pad, now), Batch()
        return made

    @property
    def both(self) -> tuple[Aircraft, Aircraft]:
        return self.first, self.second

    def talk(self, seconds: float = 4.0) -> None:
        """Beats, announcements and challenges go to and fro: after it both aircraft may be commanded."""
        for _ in range(round(seconds / STEP_S)):
            self.now += STEP_S
            up = self.pilot.control(self.now)
            for aircraft in self.both:
                aircraft.receive(up, self.now)
                self.pilot.receive(aircraft.control(self.now), self.now)

    def down(self, aircraft: Aircraft, *frames: bytes) -> list[bytes]:
        """What of these frames of an aircraft reaches the pilot's ground control station."""
        before = len(self.pilot.frames)
        self.now += STEP_S
        self.pilot.receive(aircraft.control(self.now) + aircraft.telemetry([*frames], self.now), self.now)
        return self.pilot.frames[before:]

    def up(self, *frames: bytes) -> tuple[list[bytes], list[bytes]]:
        """What of these frames of the pilot's ground control station is read by the first aircraft, and by the second."""
        self.now += STEP_S
        before = [len(aircraft.commands) for aircraft in self.both]
        sealed = self.pilot.seal([*frames], self.now)
        for aircraft in self.both if not isinstance(sealed, Refusal) else ():
            aircraft.receive(sealed, self.now)
        first, second = ([frame for _, frame in a.commands[n:]] for a, n in zip(self.both, before, strict=True))
        return first, second
