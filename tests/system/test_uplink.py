"""Commands through real processes: from a ground control station's socket to the flight controller's line."""

from __future__ import annotations

import json
import time

import pytest
from pymavlink.dialects.v20 import all as dialect

from gateway.core import sframe
from gateway.demo.flight import FlightController
from gateway.demo.stage import HOST, drain, udp_socket
from gateway.report.wording import READY
from tests.system.house import Flight, zegel

GCS = dialect.MAVLink(None, srcSystem=255, srcComponent=190)


def command(number: int) -> bytes:
    """Arm, with a number that tells one from another."""
    made = dialect.MAVLink_command_long_message(1, 1, dialect.MAV_CMD_COMPONENT_ARM_DISARM, 0, 1, number, 0, 0, 0, 0, 0)
    return bytes(made.pack(GCS))


def heartbeat() -> bytes:
    return bytes(dialect.MAVLink_heartbeat_message(6, 8, 0, 0, 4, 3).pack(GCS))


class Scene:
    """An aircraft whose flight controller is at the end of a serial line, a pilot and an observer."""

    def __init__(self, flight: Flight, fc: FlightController) -> None:
        self.flight, self.fc = flight, fc
        self.pilot, self.observer = (flight.stations[name] for name in ("pilot", "observer"))
        flight.step_more = lambda: fc.play(time.monotonic())
        flight.wait_open()
        assert flight.until(lambda: bool(self.pilot.says(READY))), flight.logs()
        assert flight.until(lambda: bool(self.pilot.frames and self.observer.frames))

    def arrives(self, frame: bytes) -> bool:
        return self.flight.until(lambda: frame in self.fc.heard, 3.0)

    def status(self, role: str, name: str) -> dict:
        self.flight.run(1.2)
        return next(s for s in json.loads(zegel("status", "--json")) if (s["role"], s["name"]) == (role, name))


@pytest.fixture
def scene(fly):
    fc = FlightController()
    yield Scene(fly(("pilot", "observer"), fc=f"serial:{fc.path}:921600"), fc)
    fc.close()


def test_a_pilots_commands_arrive_byte_exact_and_in_order_and_nothing_else_does(scene):
    sent = [command(number) for number in range(50)] + [heartbeat()]
    for frame in sent:
        scene.pilot.command(frame)
        scene.flight.step()
    assert scene.flight.until(lambda: len(scene.fc.heard) >= sum(map(len, sent)))
    assert bytes(scene.fc.heard) == b"".join(sent)
    assert scene.status("air", "drone-7")["commands"] == {"pilot": {"accepted": len(sent), "guarded": 0}}
    ground = scene.status("ground", "pilot")
    assert ground["commands"] == {"sent": len(sent)}
    assert [session["refusal"] for session in ground["sessions"]] == [None]


def test_an_observers_commands_are_refused_at_its_own_ground_and_said_once(scene):
    for number in range(5):
        scene.observer.command(command(number))
        scene.flight.run(0.1)
    scene.pilot.command(command(99))
    assert scene.arrives(command(99))
    assert bytes(scene.fc.heard) == command(99)
    assert scene.observer.says("may not command by the order") == 1
    assert scene.status("ground", "observer")["commands"] == {"sent": 0, "observer": 5}
    from_observer = [d for port, d in scene.flight.radio.up if port == scene.observer.port]
    assert from_observer
    assert all(sframe.decode_header(datagram)[0] >> 60 == 2 for datagram in from_observer), "challenges only"


def test_a_command_that_was_held_back_is_refused_and_counted(scene):
    radio = scene.flight.radio
    scene.pilot.command(command(1))
    assert scene.arrives(command(1))
    radio.jammed, before = True, len(radio.up)
    scene.pilot.command(command(2))
    held = lambda: [d for _, d in radio.up[before:] if sframe.decode_header(d)[0] >> 60 == 1]  # noqa: E731
    assert scene.flight.until(lambda: bool(held()))
    radio.jammed = False
    scene.flight.run(3.5)
    for datagram in held():
        radio.send_up(datagram)
    radio.send_up(next(d for _, d in radio.up if sframe.decode_header(d)[0] >> 60 == 1))  # the first one, again
    scene.pilot.command(command(3))
    assert scene.arrives(command(3))
    assert bytes(scene.fc.heard) == command(1) + command(3)
    drops = scene.status("air", "drone-7")["drops"]
    assert (drops["stale_echo"], drops["replayed"]) == (1, 1)


def test_no_command_without_a_way_up_and_it_is_said(scene):
    scene.flight.radio.jammed = True
    assert scene.flight.until(lambda: bool(scene.pilot.says("no commands: no challenge of ours was answered"))), (
        scene.flight.logs()
    )
    before = len(scene.flight.radio.up)
    scene.pilot.command(command(1))
    scene.flight.run(0.5)
    assert all(sframe.decode_header(d)[0] >> 60 == 2 for _, d in scene.flight.radio.up[before:])
    scene.flight.radio.jammed = False
    assert scene.flight.until(lambda: scene.pilot.says(READY) == 2)
    scene.pilot.command(command(2))
    assert scene.arrives(command(2))
    assert command(1) not in scene.fc.heard


def test_setup_signing_crosses_in_neither_direction(scene):
    key = dialect.MAVLink_setup_signing_message(1, 1, bytes(range(32)), 1)
    scene.pilot.command(bytes(key.pack(GCS)))
    scene.pilot.command(command(1))
    assert scene.arrives(command(1))
    assert bytes(scene.fc.heard) == command(1)
    assert scene.status("ground", "pilot")["commands"]["guarded"] == 1


def test_setup_signing_from_the_flight_controllers_side_stays_aboard(fly):
    flight = fly()
    flight.wait_open()
    key, last = bytes(dialect.MAVLink_setup_signing_message(1, 1, bytes(32), 1).pack(GCS)), heartbeat()
    with udp_socket() as fc:
        for frame in (key, last):
            fc.sendto(frame, (HOST, flight.fc_port))
        assert flight.until(lambda: last in flight.stations["pilot"].frames)
    flight.run(0.6)
    assert key not in flight.stations["pilot"].frames
    air = next(s for s in json.loads(zegel("status", "--json")) if s["role"] == "air")
    assert air["drops"]["guarded"] == 1


def test_a_stranger_who_sends_copies_to_the_link_is_tried_and_gets_no_command(scene):
    """Commands go to where authentic datagrams come from, and to where a challenge came back from."""
    with udp_socket() as stranger:
        for _ in range(200):
            stranger.sendto(scene.flight.radio.capture[-1], (HOST, scene.pilot.port))
            stranger.sendto(bytes(40), (HOST, scene.pilot.port))
            scene.flight.run(0.02)
        scene.pilot.command(command(1))
        assert scene.arrives(command(1))
        assert all(sframe.decode_header(datagram)[0] >> 60 == 2 for datagram in drain(stranger)), "challenges only"
