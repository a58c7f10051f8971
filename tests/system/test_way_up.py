"""Relays without a key on the way up, at real processes: SPEC.md sections 4.7 and 7."""

from __future__ import annotations

import itertools
import json
import time

import pytest

from gateway.core import sframe
from gateway.demo.flight import FlightController
from gateway.report.wording import READY
from tests.hostile.way_up import COMMANDS, FasterRelay, HoldingRelay
from tests.system.house import Flight, zegel
from tests.system.test_uplink import command

READY_WITHIN_S = 20.0


class Scene:
    """An aircraft whose flight controller is at the end of a serial line, and a pilot."""

    def __init__(self, flight: Flight, fc: FlightController) -> None:
        self.flight, self.fc, self.pilot = flight, fc, flight.stations["pilot"]
        self.steps = [lambda: fc.play(time.monotonic())]
        flight.step_more = lambda: [step() for step in self.steps]
        self._numbers = itertools.count(1)

    def wait_ready(self) -> None:
        assert self.flight.until(lambda: bool(self.pilot.says(READY)), READY_WITHIN_S), self.flight.logs()

    def sends(self) -> bytes:
        frame = command(next(self._numbers))
        self.pilot.command(frame)
        return frame

    def gets_through(self) -> bool:
        """Whether one of three commands is carried out: a ground on a busy computer may not see in time who sent one."""
        return any(self.arrives(self.sends()) for _ in range(3))

    def arrives(self, frame: bytes) -> bool:
        return self.flight.until(lambda: frame in self.fc.heard, 1.0)

    def sends_to(self, relay: HoldingRelay) -> bytes:
        """The command that `relay` then holds."""
        for frame in (self.sends() for _ in range(3)):
            if self.flight.until(lambda: bool(relay.held), 1.0):
                return frame
        raise AssertionError(self.flight.logs())

    def drops(self) -> dict[str, int]:
        self.flight.run(1.2)
        return next(s for s in json.loads(zegel("status", "--json")) if s["role"] == "air")["drops"]


@pytest.fixture
def scene(fly):
    fc = FlightController()
    yield Scene(fly(fc=f"serial:{fc.path}:921600"), fc)
    fc.close()


@pytest.fixture
def relayed(scene: Scene, request):
    relay = FasterRelay(scene.flight, request.param)
    scene.steps.append(relay.step)
    yield scene, relay
    relay.close()


@pytest.mark.parametrize("relayed", [1, 3], indirect=True, ids="{} ports".format)
def test_a_faster_relay_that_swallows_what_goes_up_is_not_the_only_way_up(relayed):
    scene, relay = relayed
    scene.wait_ready()
    for _ in range(30):
        assert scene.gets_through()
        scene.flight.run(0.1)
    assert scene.pilot.says("no commands") == 0
    assert any(sframe.decode_header(datagram)[0] >> 60 == COMMANDS for datagram in relay.swallowed)


def test_a_relay_that_comes_later_displaces_no_one(scene: Scene):
    scene.wait_ready()
    relay = FasterRelay(scene.flight, 6)
    scene.steps.append(relay.step)
    for _ in range(40):
        assert scene.gets_through()
        scene.flight.run(0.3)
    assert scene.pilot.says("no commands") == 0
    relay.close()


@pytest.mark.parametrize("held_for_s", [0.8, 2.0, 2.3])
def test_a_command_held_back_is_not_carried_out_after_those_that_came_later(scene: Scene, held_for_s: float):
    scene.wait_ready()
    relay = HoldingRelay(scene.flight)
    assert scene.gets_through()
    relay.holds = True
    held = scene.sends_to(relay)
    relay.holds = False
    began = time.monotonic()
    while time.monotonic() < began + held_for_s:
        assert scene.gets_through()
        scene.flight.run(0.02)  # fewer than the window holds, or what was held would be too old
    relay.let_go()
    assert scene.gets_through()
    assert held not in scene.fc.heard
    assert scene.drops()["out_of_order"] == 1


def test_a_command_of_the_ground_before_is_not_carried_out_after_it_restarted(scene: Scene):
    scene.wait_ready()
    relay = HoldingRelay(scene.flight)
    relay.holds = True
    held = scene.sends_to(relay)
    scene.pilot.program.kill()
    relay.holds = False
    scene.pilot.start()
    assert scene.flight.until(lambda: scene.pilot.says(READY) == 2, READY_WITHIN_S), scene.flight.logs()
    assert scene.gets_through()
    scene.flight.run(0.6)
    relay.let_go()
    assert scene.gets_through()
    assert held not in scene.fc.heard
    drops = scene.drops()
    assert drops.get("out_of_order", 0) + drops.get("stale_echo", 0) == 1
