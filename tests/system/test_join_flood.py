"""A station that starts under a flood of control datagrams joins; how long it took is printed. Real processes."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import re
import socket
import statistics
import time
from collections.abc import Callable

import pytest

from gateway.core.control_cipher import ControlCipher
from gateway.core.wire import FIRST_CONTROL, Kind, parse_control
from gateway.demo.stage import HOST, Listener
from keys.order import parse_order
from tests.hostile import control_attacks
from tests.hostile.scene import Scene
from tests.memory_link import mavlink_frame
from tests.system.flood import Flood
from tests.system.house import Flight, House, zegel

POOL = 600  # forgeries made ahead; none is remembered, so each is as new as the first
SETTLE_S = 2.0
STARTS = 3  # of the aircraft, so that there are several statements to play
OUTSIDER, BEATS, STATEMENTS, INSIDER = "forged", "recorded beats in rising order", "recorded statements", "with op_id"


class Air:
    """A flight whose radio is recorded, and what an attacker makes of the recording."""

    def __init__(self, house: House, flight: Flight) -> None:
        self.house, self.flight = house, flight
        self.cipher = ControlCipher(parse_order(house.order.read_bytes()).op_id)
        self._numbers = iter(range(1000))

    def record(self, seconds: float) -> None:
        """Some starts of the aircraft, the last one so long."""
        for begun in range(1, STARTS):
            self.flight.air.kill()
            self.flight.start_air()
            assert self.flight.until(lambda: len(self._sessions()) > begun), self.flight.logs()  # noqa: B023
            self.flight.run(SETTLE_S)
        self.flight.run(seconds)
        self._session = self._sessions()[-1]

    def _sessions(self) -> list[str]:
        return re.findall(r"session (\w+), boot", self.flight.air.output())

    def recorded(self, kind: Kind) -> list[bytes]:
        """Of this kind, in the order in which they were sent, each once."""
        sent = dict.fromkeys(datagram for datagram in self.flight.radio.capture if datagram[0] == FIRST_CONTROL)
        return [datagram for datagram in sent if self._kind(datagram) is kind]

    def _kind(self, datagram: bytes) -> Kind | None:
        parsed = parse_control(self.cipher.open(datagram) or b"")
        return parsed[0].kind if parsed else None

    def forged(self, *, sealed: bool) -> list[bytes]:
        """Statements, beats and fragments of nobody's, in the form that they have without and with op_id."""
        made = control_attacks.all_kinds(Scene(1))
        opened = [next(made) for _ in range(POOL)]
        return [self.cipher.seal(datagram) for datagram in opened] if sealed else opened

    def flood(self, what: str, port: int, a_second: int) -> Flood:
        sent = {
            OUTSIDER: lambda: self.forged(sealed=False),
            BEATS: lambda: self.recorded(Kind.BEAT),
            STATEMENTS: lambda: self.recorded(Kind.STATEMENT),
            INSIDER: lambda: self.forged(sealed=True),
        }[what]()
        assert len(sent) >= STARTS
        return Flood(port, a_second, sent, self.house.folder / f"flood-{next(self._numbers)}")

    def join(self, what: str, a_second: int) -> tuple[float, float]:
        """(seconds from listening to open, datagrams a second that were sent) of a station that starts in the flood."""
        folder = self.house.folder
        for known in [*(folder / "observer").glob("state*"), *folder.glob("ground-observer.log")]:
            known.unlink()  # what it heard before would refuse the older sessions' statements
        late = Listener("observer", self.house.folder, self.house.order)
        self.flight.radio.listeners.append(late.port)
        with contextlib.ExitStack() as undo:
            undo.callback(late.close)
            undo.callback(self.flight.radio.listeners.remove, late.port)
            flood = undo.enter_context(self.flood(what, late.port, a_second))
            assert self.flight.until(lambda: bool(late.says("listening")))
            began = time.monotonic()
            joined = self.flight.until(lambda: bool(late.says(f"session {self._session}: open")))
            took = time.monotonic() - began
            assert joined, late.program.output()
            return took, flood.end()


@pytest.fixture
def air(house: House, fly: Callable[..., Flight]) -> Air:
    flight = fly(("pilot",))
    flight.wait_open()
    return Air(house, flight)


def fly_on(flight: Flight, seconds: float) -> tuple[list[bytes], list[bytes]]:
    """The frames and the pictures that entered in so long."""
    rng, frames, pictures = random.Random(1), list[bytes](), list[bytes]()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for seq in range(int(seconds * 100)):
            frames.append(mavlink_frame(rng, seq))
            pictures.append(rng.randbytes(1000))
            out.sendto(frames[-1], (HOST, flight.fc_port))
            out.sendto(pictures[-1], (HOST, flight.camera_port))
            flight.run(0.01)
    flight.run(1.0)
    return frames, pictures


def drops(name: str) -> dict[str, int]:
    return next(status["drops"] for status in json.loads(zegel("status", "--json")) if status["name"] == name)


@pytest.mark.parametrize("what", [OUTSIDER, BEATS, STATEMENTS])
def test_a_station_joins_under_a_flood(air: Air, what: str, figure):
    air.record(seconds=4.0)
    took, sent = air.join(what, 5_000)
    figure(f"joined under {sent:,.0f} control datagrams a second, {what}: {took:.2f} s")


@pytest.mark.alone
@pytest.mark.soak
@pytest.mark.parametrize(
    ("a_second", "what"), [(0, OUTSIDER), *itertools.product((5_000, 20_000), (OUTSIDER, BEATS, STATEMENTS))]
)
def test_how_long_it_takes_to_join_under_a_flood(air: Air, what: str, a_second: int, figure):
    air.record(seconds=20.0)
    joins = [air.join(what, a_second) for _ in range(9)]
    times, rates = zip(*joins, strict=True)
    found = f"median {statistics.median(times):.2f} s, worst {max(times):.2f} s of {len(times)}"
    figure(f"joining under {statistics.mean(rates):,.0f} control datagrams a second, {what}: {found}")


@pytest.mark.alone
def test_open_feeds_lose_nothing_to_an_attacker_that_holds_op_id(air: Air, figure):
    pilot = air.flight.stations["pilot"]
    pilot.forget()
    with air.flood(INSIDER, pilot.port, 5_000) as flood:
        frames, pictures = fly_on(air.flight, 5.0)
        counted, sent = drops("pilot"), flood.end()
    assert pilot.frames == frames
    assert pilot.packets == pictures
    assert min(counted["over_budget"], counted["unlisted_fragment"]) > 0
    figure(f"with op_id, {sent:,.0f} forged control datagrams a second: all {len(frames)} frames and pictures")
