"""A change of order or a restart of the aircraft in memory: real folders, orders and sessions; radio and time by a seed.

What is measured is the longest time in which no frame of the ground control station came to the flight controller.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable
from pathlib import Path

from pymavlink.dialects.v20 import all as dialect

from gateway.air.session_manager import SessionManager
from gateway.air.uplink import AirUplink
from gateway.core.ground.listener import Listener, StationIdentity
from gateway.core.ground.opener import Opener
from gateway.core.ground.uplink_sessions import UplinkSessions
from gateway.core.wire import LINK_MTU, Control
from gateway.ground.order_file import OrderFile
from gateway.ground.succession import Succession
from gateway.ground.uplink import GroundUplink
from gateway.report.alarms import Alarms
from keys.folders.device import DeviceFolder
from keys.folders.station import StationFolder
from keys.order import verify_order
from tests import relay
from tests.memory_link import batches
from tests.relay import Weather
from tests.system.house import House, zegel
from tests.unit.gateway.plain_end import PlainEnd

WIDE_BPS, SERIAL_BPS = 8_000_000, 46_080  # SERIAL: 57,600 baud, of which 8/10 count (SPEC.md section 7.2)
STEP_S = 0.01
HOUSEKEEP_EVERY_S = 0.1
FRAME_EVERY_S, FRAMES_A_HEARTBEAT = 0.1, 10  # of the ground control station
TELEMETRY_EVERY_S = 0.1
STEADY_S = 4.0  # in command before it happens
AFTER_S = 20.0
START_S = 0.8  # of a process, until it says its first word

GCS = dialect.MAVLink(None, srcSystem=255, srcComponent=190)
HEARTBEAT = bytes(dialect.MAVLink_heartbeat_message(6, 8, 0, 0, 4, 3).pack(GCS))
STEERING = bytes(dialect.MAVLink_manual_control_message(1, 0, 0, 500, 0, 0).pack(GCS))


def extended(house: House) -> bytes:
    """The next order of the operation, which drops nobody."""
    path = house.folder / "next.order"
    zegel("order", "extend", house.order, "--agency", house.folder / "agency", "--hours", "1", "-o", path)
    path.replace(house.order)
    return house.order.read_bytes()


class Aboard:
    """What `zegel air` is without its sockets."""

    def __init__(self, device: DeviceFolder, link_bps: int, now: float) -> None:
        self.alarms = Alarms(lambda _: None)
        self.fc, self.link = PlainEnd(), PlainEnd()
        self.sessions = SessionManager(device, 0, link_bps, self.alarms)
        self.sessions.begin(now)
        self.uplink = AirUplink(self.sessions.announcer, self.fc, self.alarms)
        self._watch_at = 0.0

    def hear(self, datagrams: list[bytes], now: float) -> list[bytes]:
        """The frames that went to the flight controller."""
        for begin in range(0, len(datagrams), 64):
            self.link.put(*datagrams[begin : begin + 64])
            accepted = self.uplink.receive(self.link, now)
            for station in accepted.challenges:
                self.sessions.challenged(station)
            for station, kind, content in accepted.control:
                if kind == Control.ORDER_FRAGMENT:
                    self.sessions.order_fragment(station, content, now)
                else:
                    self.sessions.order_held(station, content, now)
        out, self.fc.drained = self.fc.drained, []
        return out

    def step(self, now: float) -> list[bytes]:
        if now >= self._watch_at:
            self._watch_at = now + HOUSEKEEP_EVERY_S
            self.sessions.watch(now)
        if now < self.sessions.next_due():
            return []
        before = self.sessions.announcer
        out = self.sessions.datagrams(now)
        if self.sessions.announcer is not before:
            self.uplink.follow(self.sessions.announcer)
        return out


class Post:
    """What `zegel ground` is without its sockets."""

    def __init__(self, folder: Path, order_file: Path, data: bytes) -> None:
        station = StationFolder.open(folder)
        order = verify_order(data, station.roots, 0)
        me = StationIdentity(station.index_in(order.content), station.profile, station.seed)
        self.listener, alarms = Listener(order, me, {}), Alarms(lambda _: None)
        self.opener = Opener(self.listener)
        self.gcs, self.link = PlainEnd(), PlainEnd()
        self.uplink = GroundUplink(UplinkSessions(order, me.index, LINK_MTU, os.urandom), [self.gcs], [self.link], alarms)
        self.succession = Succession(station, OrderFile(str(order_file)), self.listener, self.uplink, alarms)
        self._housekeep_at = 0.0

    def hear(self, datagrams: list[bytes], now: float) -> None:
        for batch in batches(datagrams):
            self.opener.open(batch, now)

    def step(self, frames: list[bytes], now: float) -> list[bytes]:
        if now >= self._housekeep_at:
            self._housekeep_at = now + HOUSEKEEP_EVERY_S
            self.listener.tick(now)
            self.uplink.challenge(self.listener.sessions.values(), now)
            self.succession.look_at_link(now)
        if frames:
            self.gcs.put(*frames)
            self.uplink.relay({self.gcs}, now)
        out, self.link.drained = self.link.drained, []
        return out


class Handover:
    """One flight of `house` over a radio with this weather. `pilot` commands, `observer` listens and answers."""

    def __init__(self, house: House, device: DeviceFolder, seed: int, weather: Weather, link_bps: int) -> None:
        self.house, self.device, self.link_bps = house, device, link_bps
        self.random = random.Random(seed)
        self.now = self.random.random() * STEP_S
        data = house.order.read_bytes()
        self.aboard: Aboard | None = Aboard(device, link_bps, self.now)
        self.posts = {name: Post(house.folder / name, house.order, data) for name in ("pilot", "observer")}
        self.down = {name: relay.Path(weather, self.random.getrandbits(32)) for name in self.posts}
        self.up = {name: relay.Path(weather, self.random.getrandbits(32)) for name in self.posts}
        self.times: list[float] = []  # of frames of the ground control station at the flight controller
        self.heartbeats: list[float] = []
        self._frame_at = self.random.random() * FRAME_EVERY_S
        self._number = self.random.randrange(FRAMES_A_HEARTBEAT)

    def step(self) -> None:
        self.now += STEP_S
        for name, post in self.posts.items():
            post.hear(self.down[name].due(self.now), self.now)
            for datagram in post.step(self._frames() if name == "pilot" else [], self.now):
                self.up[name].put(datagram, self.now)
        came = [datagram for path in self.up.values() for datagram in path.due(self.now)]
        if self.aboard:
            for frame in self.aboard.hear(came, self.now):
                self.times.append(self.now)
                if frame == HEARTBEAT:
                    self.heartbeats.append(self.now)
            self._send(self.aboard.step(self.now))

    def _frames(self) -> list[bytes]:
        if self.now < self._frame_at:
            return []
        self._frame_at += FRAME_EVERY_S
        self._number += 1
        return [STEERING if self._number % FRAMES_A_HEARTBEAT else HEARTBEAT]

    def _send(self, datagrams: list[bytes]) -> None:
        for datagram, path in itertools.product(datagrams, self.down.values()):
            path.put(datagram, self.now)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.step()

    def joined(self) -> float:
        """Let it fly until the pilot's first frame is through; how long that took from the first word on."""
        began = self.now
        while not self.times:
            self.step()
            assert self.now - began < 600, "the pilot never came to command"
        return self.now - began

    # --- what happens ---

    def change(self) -> None:
        """`zegel device load-order` of an order that drops nobody."""
        assert self.aboard
        self.aboard.sessions.put_in_force(extended(self.house), self.now)

    def restart(self) -> None:
        """SIGTERM, and the next start."""
        assert self.aboard
        self._send(self.aboard.sessions.close(self.now))
        self.kill()

    def kill(self) -> None:
        """SIGKILL, and the next start."""
        self.aboard = None
        self.run(START_S)
        self.aboard = Aboard(self.device, self.link_bps, self.now)

    def quiet(self) -> None:
        """Nothing: what the radio alone costs."""


def longest_gap(times: list[float], begin: float, end: float) -> float:
    """The longest time without one, between the last before `begin` and the first after `end`, or there."""
    seen = [max((at for at in times if at <= begin), default=begin), *(at for at in times if begin < at < end), end]
    return max(later - earlier for earlier, later in itertools.pairwise(seen))


def gaps(flight: Handover, happens: Callable[[Handover], None], after_s: float) -> tuple[float, float]:
    """The longest gap of all frames, and of heartbeats alone, from when it `happens` on."""
    flight.joined()
    flight.run(STEADY_S + flight.random.random())
    begin = flight.now
    happens(flight)
    flight.run(after_s)
    assert flight.now - flight.times[-1] < after_s / 2, "no command got through any more"
    return longest_gap(flight.times, begin, flight.now), longest_gap(flight.heartbeats, begin, flight.now)
