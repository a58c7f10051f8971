"""`zegel air` and `zegel ground` at a terminal that stops, a pipe that is full, and an ssh that is lost."""

from __future__ import annotations

import functools
import random
import signal
import socket
from collections.abc import Callable, Iterator

import pytest

from gateway.demo import stage
from gateway.demo.stage import HOST, Program
from tests.memory_link import mavlink_frame
from tests.system import house as house_
from tests.system.house import Flight
from tests.system.outputs import Background, Pipe, Terminal

TOO_LARGE = bytes(1900)  # for the link: an alarm aboard


@pytest.fixture(params=["terminal", "pipe"])
def output(request, tmp_path) -> Iterator[Terminal | Pipe]:
    made = Terminal() if request.param == "terminal" else Pipe(tmp_path)
    yield made
    made.go()
    made.close()


@pytest.fixture
def at(monkeypatch) -> Callable[[Terminal | Pipe], None]:
    """All that is started after it writes there, standard output and errors."""

    def use(output: Terminal | Pipe) -> None:
        within = output.words()
        for module in (stage, house_):
            monkeypatch.setattr(module, "Program", functools.partial(Program, within=within))

    return use


class Sender:
    """The flight controller and the camera, and what of it the pilot has seen."""

    def __init__(self, flight: Flight) -> None:
        self.flight, self.rng, self.sent = flight, random.Random(1), 0
        self.pilot = flight.stations["pilot"]
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def comes_through(self) -> bool:
        """Whether a frame that is sent from now on reaches the pilot."""
        frames: list[bytes] = []

        def step() -> None:
            self.sent += 1
            if self.sent % 50 == 0:
                frames.append(mavlink_frame(self.rng, self.sent // 50 % 256))
                self.socket.sendto(frames[-1], (HOST, self.flight.fc_port))

        self.flight.step_more = step
        return self.flight.until(lambda: any(frame in frames for frame in self.pilot.frames[-50:]))

    def provoke(self) -> None:
        """Something to say at both ends: a picture that is too large, and an order file that is none."""
        self.socket.sendto(TOO_LARGE, (HOST, self.flight.camera_port))
        self.flight.house.order.write_bytes(b"no order")


@pytest.fixture
def sender(fly):
    made: list[Sender] = []

    def start() -> Sender:
        made.append(Sender(fly(("pilot",))))
        return made[-1]

    yield start
    for each in made:
        each.socket.close()


def says(flight: Flight, output: Terminal | Pipe, *words: str) -> bool:
    text = ""

    def all_there() -> bool:
        nonlocal text
        text += output.text()
        return all(word in text for word in words)

    return flight.until(all_there)


def test_a_stopped_output_stops_no_flight(sender, at, output, figure):
    at(output)
    scene = sender()
    assert scene.comes_through()
    assert says(scene.flight, output, "sealed: operation", ": open")
    output.stop()
    scene.provoke()
    scene.flight.run(1.5)  # both look for what to say within half a second
    scene.pilot.forget()
    assert scene.comes_through(), "neither end stands still for its output"
    sealed = scene.flight.radio.sealed
    scene.flight.run(2.0)
    figure(
        f"{type(output).__name__.lower()} stopped: {scene.flight.radio.sealed - sealed} sealed datagrams in the next 2 s"
    )
    output.go()
    assert says(scene.flight, output, "alarm: a video datagram of", "alarm: the order file is refused")
    output.stop()
    scene.provoke()
    assert (scene.flight.air.end(), scene.pilot.program.end()) == (0, 0), "a stopped output delays no end"


def test_a_flight_in_the_background_is_not_stopped_for_its_output(sender, at):
    terminal = Background()
    at(terminal)
    scene = sender()
    try:
        assert scene.comes_through()
        assert says(scene.flight, terminal, "sealed: operation", ": open")
        assert (scene.flight.air.end(), scene.pilot.program.end()) == (0, 0)
    finally:
        terminal.close()


@pytest.fixture
def hangup() -> Iterator[None]:
    """SIGHUP as in a new login: what starts under nohup inherits that it is ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hangup")
def test_an_ssh_that_is_lost_ends_no_flight(sender, at):
    terminal = Terminal()
    at(terminal)
    scene = sender()
    assert scene.comes_through()
    terminal.close()  # what is written now fails
    scene.flight.air.process.send_signal(signal.SIGHUP)
    scene.provoke()
    scene.flight.run(1.0)
    scene.pilot.forget()
    assert scene.comes_through()
    scene.pilot.program.process.send_signal(signal.SIGHUP)
    assert scene.pilot.program.process.wait(20) == 0, "a ground whose window is closed ends in order"
    assert scene.flight.air.end() == 0
