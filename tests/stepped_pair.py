"""A real Air and a real Ground in this process, over real sockets, turned by the test and by nobody else.

Between them stands the radio, which hands over what the test lets it: `carry` all, or `down` and `up` one by one.
"""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.air.role import Air
from gateway.config import AirConfig, GroundConfig
from gateway.core.sframe import DOWNLINK_FIRST
from gateway.demo.stage import HOST, drain, drain_from, free_port, port_of, udp_socket
from gateway.ground.role import Ground
from gateway.local_users import LocalUsers
from gateway.loop import hardening
from gateway.loop.watchdog import Manager
from keys.folders.device import DeviceFolder
from keys.folders.station import StationFolder
from keys.lanes import Lane
from tests.system.house import House

WITHIN_S = 20.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class SteppedPair:
    """`links`: how many ways the radio has to the station; the aircraft sends once, and each way may carry a copy.

    `fc`, `camera`, `gcs` and `player` are the other ends of the plain endpoints, `radio` that of the aircraft's link.
    `relay`: the other end of one more link of the station, which sends there first. `ground`: other settings. `order`: more
    words of `zegel order issue`.
    """

    def __init__(
        self,
        folder: Path,
        links: int = 1,
        *,
        relay: socket.socket | None = None,
        ground: Mapping[str, Any] | None = None,
        order: Sequence[str] = (),
        station: str = "pilot",
        **air: Any,
    ) -> None:
        self.house = House(folder, profile="x25519", more=order)
        self.fc, self.camera, self.gcs, self.player, self.radio = (udp_socket() for _ in range(5))
        self.fc_port, self.camera_port = free_port(), free_port()
        self.ways = [(udp_socket(), free_port()) for _ in range(links)]
        self.device = DeviceFolder.open(folder / "drone-7")
        self._aboard = (HOST, 0)  # where the aircraft's link sends from
        self.air = self.new_air(**air)
        more = (f"udpout:{HOST}:{port_of(relay)}",) if relay else ()
        link = (*(f"udpin:{HOST}:{port}" for _, port in self.ways), *more)
        self.ground = self._new_ground(folder / station, link=link, **ground or {})

    def new_air(self, **changed: Any) -> Air:
        plain = {"fc": f"udpin:{HOST}:{self.fc_port}", "video": (f"udpin:{HOST}:{self.camera_port}",)}
        ends = {**plain, "link": (f"udpout:{HOST}:{port_of(self.radio)}",), **changed}
        return Air(AirConfig(device=str(self.device.path), **ends), self.device, Manager({}), LocalUsers())

    def _new_ground(self, folder: Path, **changed: Any) -> Ground:
        ends = {
            "gcs": (f"udpout:{HOST}:{port_of(self.gcs)}",),
            "video": (f"udpout:{HOST}:{port_of(self.player)}",),
            **changed,
        }
        settings = GroundConfig(station=str(folder), order=str(self.house.order), **ends)
        station = StationFolder.open(folder)
        order = station.newest_order(self.house.order.read_bytes(), int(time.time()))
        return Ground(settings, station, order, Manager({}), LocalUsers())

    # --- the people ---

    def from_fc(self, *frames: bytes) -> None:
        for frame in frames:
            self.fc.sendto(frame, (HOST, self.fc_port))

    def from_camera(self, *pictures: bytes) -> None:
        for picture in pictures:
            self.camera.sendto(picture, (HOST, self.camera_port))

    def from_gcs(self, frame: bytes) -> None:
        """To where the ground sends from, which is known once it has sent something."""
        made: Any = self.ground.gcs[0]
        self.gcs.sendto(frame, (HOST, made._socket.getsockname()[1]))

    # --- the radio ---

    def on_air(self) -> list[bytes]:
        """What the aircraft has sent since it was asked last."""
        came = drain_from(self.radio)
        if came:
            self._aboard = came[-1][1]
        return [datagram for datagram, _ in came]

    def sealed(self, lane: Lane, send: Callable[[], None], count: int = 1) -> list[bytes]:
        """What the aircraft puts on air of `lane` once that is sent to it: `count` datagrams, or more."""
        on_air: list[bytes] = []
        send()

        def turn() -> None:
            self.turn(self.air)
            on_air.extend(datagram for datagram in self.on_air() if datagram[0] >= DOWNLINK_FIRST and datagram[1] == lane)

        self.until(lambda: len(on_air) >= count, turn)
        return on_air

    def down(self, *datagrams: bytes, way: int = 0) -> None:
        made, port = self.ways[way]
        for datagram in datagrams:
            made.sendto(datagram, (HOST, port))

    def up(self) -> None:
        for made, _ in self.ways:
            for datagram in drain(made):
                self.radio.sendto(datagram, self._aboard)

    def carry(self) -> None:
        """Everything, by each way."""
        datagrams = self.on_air()
        for way in range(len(self.ways)):
            self.down(*datagrams, way=way)
        self.up()

    # --- turns ---

    def turn(self, role: Air | Ground) -> None:
        """One that waits for nothing."""
        role._housekeep_at = 0.0
        if isinstance(role, Ground):
            role._sessions_at = 0.0
        role._due = None
        role.turn()

    def step(self) -> None:
        for role in (self.air, self.ground):
            self.turn(role)
            self.carry()
        time.sleep(0.001)

    def until(self, done: Callable[[], object], step: Callable[[], object] | None = None) -> None:
        """Step until it is so. AssertionError if it never is."""
        limit = time.monotonic() + WITHIN_S
        while not done():
            assert time.monotonic() < limit, self.ground.opener.drops
            (step or self.step)()

    def join(self) -> None:
        """Until the ground opens what the aircraft sends."""
        self.until(lambda: any(session.granted for session in self.ground.listener.sessions.values()))

    def stop(self, role: Air | Ground) -> None:
        """As SIGTERM does."""
        role.poller.stopping = True
        role.run()

    def end(self) -> None:
        for role in (self.air, self.ground):
            if not role.poller.stopping:
                self.stop(role)
        self.device.close()
        for made in (self.fc, self.camera, self.gcs, self.player, self.radio, *(made for made, _ in self.ways)):
            made.close()


@contextmanager
def stepped_pair(folder: Path, **options: Any) -> Iterator[SteppedPair]:
    """In `folder`, which also has the sockets of their status. Afterwards the signals are again what they were."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    folder.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        patch.setattr(hardening, "freeze_gc", lambda: None)
        made = SteppedPair(folder, **options)
        try:
            yield made
        finally:
            made.end()
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
