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

from gateway.batch import Batch
from gateway.demo.stage import free_port
from gateway.endpoints import Endpoint, open_endpoint, open_link
from gateway.endpoints.address import parse
from gateway.ground.uplink import GroundUplink
from gateway.report.alarms import Alarms
from keys.lanes import Lane
from keys.order import Policy
from tests.hostile.row import Row, only
from tests.memory_link import PILOT, Aircraft, Station, World, batches, command, mavlink_frame
from tests.system.house import Flight, House, zegel
from tests.system.standstill import Standstill
from tests.unit.gateway.endpoints.wires import HOST, opened, until
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
            end.receive_into(Batch(), self.now)
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
        uplink = GroundUplink(here.pilot.sessions, [gcs], [link], Alarms(lambda _: None))
        old, new = sticks(0), sticks(MANY)
        here.send(old)
        time.sleep(STILL_S)
        here.catch_up()
        here.send(new)

        def taken() -> bool:
            uplink.relay({gcs}, time.monotonic())
            return uplink.sent + sum(uplink.refused.values()) >= 2 * MANY

        until(taken)
        here.aircraft.receive(link.drained, here.now)
        gcs.close()
        assert [frame for _, frame in here.aircraft.commands] == new
        return Row(
            "a ground stands still while a joystick continues, and then reads the data that waited in its socket",
            f"{MANY} commands {STILL_S} s before it goes on, with fresh_ms {FRESH_MS}, and {MANY} just then",
            f"the {MANY} of just then reached the flight controller, and none of the others",
            only(uplink.refused, "late"),
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
            if link.receive_into(batch, here.now):
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
        "no frame over a second old was sent, no command older than fresh_ms reached the flight controller; both continue",
        only(drops, "late", "stale_echo"),
    )


class Line:
    """A pilot at a line without stamps, in the schedule's time: what is read came at some time since the read before."""

    def __init__(self, pilot: Station, drone: Aircraft) -> None:
        self.pilot, self.drone, self.read_at = pilot, drone, 0.0

    def read(self, datagrams: list[bytes], now: float, since: float | None = None) -> None:
        for batch in batches(datagrams):
            batch.waited(now - (self.read_at if since is None else since))
            self.pilot.read(batch, now)
        self.pilot.listener.tick(now)
        self.read_at = now

    def goes_on(self, now: float, seconds: float) -> tuple[int, int]:
        """(bundles sent, frames delivered) while all is well again."""
        before, sent = len(self.pilot.frames), 0
        while sent < seconds / 0.1:
            frame = mavlink_frame(self.pilot.world.random, sent)
            self.read(self.drone.control(now) + self.drone.telemetry([frame], now), now)
            now, sent = now + 0.1, sent + 1
        return sent, len(self.pilot.frames) - before


def line() -> tuple[Line, float]:
    world = World(1, roles=(PILOT,))
    made = Line(world.station(1), world.aircraft())
    made.read_at = command(world, made.pilot, made.drone, 0.0)
    made.goes_on(made.read_at, 3.0)
    return made, made.read_at


def line_without_stamps() -> Row:
    """Nobody attacks: that a computer stands still once is enough."""
    here, now = line()
    came: list[bytes] = []
    for tick in range(80):
        came += here.drone.control(now + tick * 0.1)
    here.read(came, now + 8.0)
    here.read(here.drone.control(now + 8.05), now + 8.05, since=now)  # a line hands over in pieces what has gathered
    sent, delivered = here.goes_on(now + 8.1, 60.0)
    assert delivered == sent
    return Row(
        "a ground at a serial radio, which has no stamps, stands still for 8 s once, and reads what came meanwhile",
        f"{len(came)} datagrams of control in these 8 s, and {sent} bundles in the minute after them",
        "the beats of that time were late, because they may be that old; all bundles of the minute after were delivered",
        only(here.pilot.drops, "late_beat"),
    )


def socket_that_is_never_empty() -> Row:
    """On systems without stamps the flood also makes live telemetry look old; what must not be is that this goes on."""
    here, now = line()
    began, strangers = now, 0
    while now < began + 20.0:
        now += 0.1
        flood = [bytes(30)] * 50
        strangers += len(flood)
        here.read([*flood, *here.drone.control(now)], now, since=began)
    sent, delivered = here.goes_on(now + 0.1, 60.0)
    assert delivered == sent
    assert not here.pilot.drops["late_beat"]
    return Row(
        "an attacker without a key floods the socket of a ground whose system has no stamps, so that it is never empty",
        f"{strangers:,} datagrams in 20 s, and {sent} bundles of the aircraft in the minute after them",
        "no beat was late then or later, and all bundles of the minute after were delivered",
        only(here.pilot.drops, "bad_control"),
    )


def old_command_behind_a_younger_beat() -> Row:
    here, now = line()
    arm, beats, still = sticks(0)[0], list[bytes](), 2.9
    for tick in range(58):
        here.drone.receive(here.pilot.control(now), now)
        beats += here.drone.control(now + tick * 0.05)
    here.read(beats, now + still)
    fleet = here.pilot.sessions
    fleet.follow(here.pilot.listener.sessions.values(), now + still)
    fleet.systems.hear_stations([arm])
    sealed = fleet.seal([arm], now + still, now + 0.05)
    assert sealed.sent == 1
    held = (0.2, 1.0, 2.0)
    for seconds in held:
        here.drone.receive(sealed.datagrams, now + still + seconds)
    assert not here.drone.commands
    return Row(
        "a ground at a serial radio stands still with a pilot's command, then seals it, and it is held back on its way",
        f"the command, {still} s old, held back for 0.2, 1 and 2 s, while beats had gone on coming to the ground",
        "it was sealed with the echo of the beat that was the newest when it came, and never reached the flight controller",
        only(here.drone.drops, "stale_echo"),
    )


ATTACKS = (
    commands_at_a_ground,
    telemetry_at_a_ground,
    aircraft,
    line_without_stamps,
    socket_that_is_never_empty,
    old_command_behind_a_younger_beat,
)
