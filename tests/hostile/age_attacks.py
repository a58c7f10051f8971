"""Computers that stand still (a lid, a stopped terminal, a board that swaps) while all others go on, and what waited."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymavlink.dialects.v20 import all as dialect

from gateway.alarms import Alarms
from gateway.batch import Batch
from gateway.endpoints import Endpoint, open_endpoint, open_link
from gateway.endpoints.address import parse
from gateway.helm import Helm
from keys.kid import Lane
from keys.order import Policy
from tests.hostile.row import Row, only
from tests.memory_link import PILOT, World, command, mavlink_frame
from tests.system.house import Flight, House, zegel
from tests.system.standstill import Standstill
from tests.unit.gateway.endpoints.wires import HOST, free_port, opened, until
from tests.unit.gateway.plain_end import PlainEnd

FRESH_MS = 1000  # the least that an order may have
STILL_S = 1.3
GCS = dialect.MAVLink(None, srcSystem=255, srcComponent=190)
MANY = 20


class Scene:
    """A pilot who commands, in the computer's own time, with a socket where somebody sends."""

    def __init__(self, send: socket.socket) -> None:
        self.world = World(1, roles=(PILOT,), policy=Policy(fresh_ms=FRESH_MS))
        self.now = time.monotonic() - 8.0
        self.aircraft, self.pilot = self.world.aircraft(self.now), self.world.station(1)
        self.now = command(self.world, self.pilot, self.aircraft, self.now)
        self.catch_up()
        self._send, self.port = send, free_port()

    def catch_up(self) -> None:
        """Aircraft and pilot talk until now."""
        while self.now < time.monotonic():
            self.now += 0.05
            self.aircraft.receive(self.pilot.control(self.now), self.now)
            self.pilot.receive(self.aircraft.control(self.now), self.now)

    def sealed(self, frames: list[bytes]) -> list[bytes]:
        """Telemetry of now, a datagram for each frame."""
        return [self.aircraft.seal(Lane.TELEMETRY, [frame])[0] for frame in frames]

    def socket(self, how=open_endpoint) -> Endpoint:
        """Open, and read for a second as a loop reads."""
        end = opened(how(parse(f"udpin:{HOST}:{self.port}")))
        for _ in range(20):
            end.fill(Batch(), self.now)
            time.sleep(0.05)
        return end

    def send(self, datagrams: list[bytes]) -> None:
        for datagram in datagrams:
            self._send.sendto(datagram, (HOST, self.port))


@contextlib.contextmanager
def scene() -> Iterator[Scene]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        yield Scene(made)


def sticks(first: int) -> list[bytes]:
    messages = (dialect.MAVLink_manual_control_message(1, 0, 0, 500, 0, first + more) for more in range(MANY))
    return [bytes(message.pack(GCS)) for message in messages]


def commands_at_a_ground() -> Row:
    with scene() as here:
        gcs, link = here.socket(), PlainEnd()
        helm = Helm(here.pilot.fleet, [gcs], [link], Alarms(lambda _: None))
        old, new = sticks(0), sticks(MANY)
        here.send(old)
        time.sleep(STILL_S)
        here.catch_up()
        here.send(new)

        def taken() -> bool:
            helm.take({gcs}, time.monotonic())
            return helm.sent + sum(helm.refused.values()) >= 2 * MANY

        until(taken)
        here.aircraft.receive(link.drained, here.now)
        gcs.close()
        assert [frame for _, frame in here.aircraft.commands] == new
        return Row(
            "a ground stands still while a joystick goes on, and then reads what waited in its socket",
            f"{MANY} commands {STILL_S} s before it goes on, with fresh_ms {FRESH_MS}, and {MANY} just then",
            f"the {MANY} of just then reached the flight controller, and none of the others",
            only(helm.refused, "late"),
        )


def telemetry_at_a_ground() -> Row:
    with scene() as here:
        link, batch = here.socket(open_link), Batch()
        frames = [mavlink_frame(here.world.random, seq) for seq in range(2 * MANY)]
        here.catch_up()
        here.send(here.sealed(frames[:MANY]) + here.aircraft.seal(Lane.VIDEO_A, [b"picture"] * MANY))
        time.sleep(STILL_S)
        here.catch_up()
        here.send(here.sealed(frames[MANY:]))
        came: list[bytes] = []
        shown = 0

        def read() -> bool:
            nonlocal shown
            if link.fill(batch, here.now):
                got = here.pilot.opener.open(batch, here.now)
                came.extend(map(bytes, got.frames))
                shown += sum(map(len, got.video.values()))
            return frames[-1] in came

        until(read)
        link.close()
        assert came == frames[MANY:]
        assert not shown
        return Row(
            "the same ground, and what the aircraft sent meanwhile",
            f"{MANY} bundles and {MANY} pictures {STILL_S} s before it goes on, and {MANY} bundles just then",
            f"the {MANY} bundles of just then were delivered as live, and nothing else",
            only(here.pilot.drops, "late"),
        )


def aircraft(folder: Path) -> Row:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))  # where this aircraft alone tells its status
        flight = Flight(House(folder, profile="x25519"))
        try:
            still = Standstill(flight)
            still.stands(flight.air, 5.0)
            old = still.old()
            drops = next(status["drops"] for status in json.loads(zegel("status", "--json")) if status["role"] == "air")
            still.close()
        finally:
            flight.end()
    assert old == (0, 0), still.said()
    assert min(len(still.up), len(still.down)) > MANY
    return Row(
        "the aircraft's computer stands still for 5 s",
        "a real `zegel air` stopped (SIGSTOP), 200 frames a second of the flight controller, 25 commands a second",
        "no frame over a second old was sent, no command older than fresh_ms reached the flight controller; both go on",
        only(drops, "late", "stale_echo"),
    )


ATTACKS = (commands_at_a_ground, telemetry_at_a_ground, aircraft)
