"""Devices that go and come back as others: serial ports under another number, interfaces with another index and address."""

from __future__ import annotations

import os

import pytest

from tests.system.endurance import FC_BAUD, SerialFc
from tests.system.test_links import SerialOnly, Traffic, by_serial_radio  # noqa: F401 - a fixture
from tests.system.test_namespaces import AIR, BRIEFLY_S, FC_PORT, scene  # noqa: F401 - a fixture

PORTS_TAKEN = 3  # that the system gives to others meanwhile, so that none comes back under its old number
OTHER_ADDRESS = "10.1.0.77"


@pytest.fixture
def taken():
    """Take the numbers that are free, so that what is plugged in next gets another."""
    held = []

    def take() -> None:
        held.extend(fd for _ in range(PORTS_TAKEN) for fd in os.openpty())

    yield take
    for fd in held:
        os.close(fd)


def test_a_flight_controller_that_comes_back_as_another_tty(house, fly, taken):
    """Under its name in /dev/serial/by-id, as one should name it: the link leads to another device each time."""
    usb = SerialFc(house.folder / "usb-ArduPilot_Pixhawk6C-if00")
    flight = fly(fc=f"serial:{usb.path}:{FC_BAUD}")
    flight.step_more = usb.step
    pilot = flight.stations["pilot"]
    try:
        for _ in range(3):
            before, was = len(pilot.frames), usb.path.readlink()
            assert flight.until(lambda at=before: len(pilot.frames) > at + 20), flight.logs()
            usb.unplug()
            flight.run(1.0)
            taken()
            usb.plug()
            assert usb.path.readlink() != was
        before = len(pilot.frames)
        assert flight.until(lambda: len(pilot.frames) > before + 20), flight.logs()
        assert flight.air.running
    finally:
        usb.unplug()


@pytest.mark.soak
def test_a_serial_radio_that_comes_back_as_another_tty(by_serial_radio, taken):  # noqa: F811
    """First the one aboard, then the station's; telemetry comes by nothing else."""
    flight, serial = by_serial_radio("x25519", SerialOnly)
    flight.wait_open()
    traffic, pilot = Traffic(flight.fc_port), flight.stations["pilot"]
    traffic.every_s = 0.1

    def step() -> None:
        serial.step()
        traffic.step()

    flight.step_more = step
    for end in (0, 1):
        serial.unplug(end)
        flight.run(1.0)
        taken()
        serial.plug(end)
        before = len(pilot.frames)
        assert flight.until(lambda at=before: len(pilot.frames) > at + 5), flight.logs()
    number = {frame: n for n, frame in enumerate(traffic.sent)}
    came = [number[frame] for frame in pilot.frames]
    assert came == sorted(set(came))
    traffic.socket.close()


@pytest.mark.parametrize(
    "address",
    [pytest.param(None, id="the same address"), pytest.param(OTHER_ADDRESS, id="another address", marks=pytest.mark.soak)],
)
def test_an_interface_that_is_another_one_when_it_comes_back(scene, address):  # noqa: F811
    """A USB modem, a WLAN stick: another index and another hardware address, and perhaps what DHCP gave it this time."""
    scene.send("frames", "packets", "commands")
    assert scene.both_carry()
    cable = scene.cables["radio"]
    was = cable.index(AIR)
    cable.remove()
    scene.run(BRIEFLY_S)
    cable.plug(address)
    assert cable.index(AIR) != was
    assert scene.both_carry(), scene.received()
    scene.send()
    assert scene.all_came()
    assert scene.came["frames"] == scene.sent["frames"]
    assert scene.came["commands"] == scene.sent["commands"]
