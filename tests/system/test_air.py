"""What the two roles do when something is not as it should be: real processes, real folders."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import time

import pytest
from pymavlink.dialects.v20 import minimal

from gateway.demo.stage import HOST, Program, udp_socket
from keys.order import parse_order
from tests.memory_link import mavlink_frame
from tests.system.house import zegel

SHORT_S, FLIGHT_S = 2, 15  # how long an order lasts that is over before the flight, and one that ends in flight


def heartbeat(*, armed: bool, system: int = 1, component: int = 1) -> bytes:
    sender = minimal.MAVLink(None, srcSystem=system, srcComponent=component)
    mode = minimal.MAV_MODE_FLAG_SAFETY_ARMED if armed else 0
    return bytes(minimal.MAVLink_heartbeat_message(2, 3, mode, 0, 4, 3).pack(sender))


@pytest.fixture
def to():
    """Send one datagram to a port of this computer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        yield lambda port, data: out.sendto(data, (HOST, port))


def expired(house, seconds: float = SHORT_S) -> None:
    order = house.folder / "short.order"
    zegel(
        *("order", "issue", house.folder / "agency", "--operation", "Night Watch", "--hours", seconds / 3600, "-o", order),
        *(
            "--device",
            house.folder / "drone-7.crt",
            "--station",
            f"{house.folder}/pilot/station.pub:telemetry,video,command",
        ),
    )
    zegel("device", "load-order", house.folder / "drone-7", order)
    house.order = order


def after_it_ended(house) -> None:
    time.sleep(max(0.0, parse_order(house.order.read_bytes()).not_after + 1 - time.time()))


def test_an_expired_order_keeps_an_aircraft_on_the_ground(house, fly, to):
    expired(house)
    after_it_ended(house)
    flight = fly(())
    flight.step_more = lambda: to(flight.fc_port, heartbeat(armed=False))
    assert flight.until(lambda: not flight.air.running)
    assert flight.air.end() == 3
    assert "and the aircraft is on the ground" in flight.air.output()
    assert "hint: load a newer one" in flight.air.output()
    assert flight.radio.capture == []


@pytest.mark.parametrize("own", [heartbeat(armed=True), b""], ids=["own armed", "own not heard"])
def test_another_aircrafts_heartbeat_grounds_no_aircraft(house, fly, to, own):
    """The order is over, and the flight controller passes on that system 2 is disarmed: in one datagram, as routers do."""
    expired(house)
    after_it_ended(house)
    flight = fly(())
    flight.step_more = lambda: to(flight.fc_port, own + heartbeat(armed=False, system=2))
    assert flight.until(lambda: flight.radio.sealed > 0 or not flight.air.running)
    assert flight.air.running, flight.air.output()
    assert "heartbeats of system 2 count as another aircraft's: this one is 1" in flight.air.output() or own
    assert "alarm: the order ended at" in flight.air.output()


def test_the_number_of_an_aircraft_is_its_own(house, fly, to):
    expired(house)
    after_it_ended(house)
    flight = fly((), more=("--system-id", "2"))
    flight.step_more = lambda: to(flight.fc_port, heartbeat(armed=False, system=2))
    assert flight.until(lambda: not flight.air.running)
    assert flight.air.end() == 3


def test_an_order_that_ends_in_flight_cuts_nothing_and_alarms_at_both_ends(house, fly, to):
    """A running session, and a restart while armed: the stations that joined in time stay open."""
    expired(house, FLIGHT_S)
    flight = fly()
    flight.step_more = lambda: to(flight.fc_port, heartbeat(armed=True))
    flight.wait_open()
    flight.air.kill()
    after_it_ended(house)
    flight.start_air()
    assert flight.until(lambda: flight.stations["pilot"].says(": open, order expired")), flight.logs()
    assert "alarm: the order ended at" in flight.air.output()
    before = len(flight.stations["pilot"].frames)
    assert flight.until(lambda: len(flight.stations["pilot"].frames) > before)


def test_an_alarm_ends_with_its_cause(house, fly):
    """The order ends in flight at both ends, and is extended."""
    expired(house, FLIGHT_S)
    flight = fly()
    flight.wait_open()
    (pilot,) = flight.stations.values()
    flight.air.end()
    after_it_ended(house)
    flight.start_air()  # nothing is heard of the flight controller, which counts as airborne
    assert flight.until(lambda: pilot.says("alarm: the order has ended")), flight.logs()
    assert flight.until(lambda: "alarm: the order ended at" in flight.air.output()), flight.logs()
    new = house.folder / "new.order"
    zegel("order", "extend", house.order, "--agency", house.folder / "agency", "--hours", "1", "-o", new)
    zegel("device", "load-order", house.folder / "drone-7", new)
    new.replace(house.order)
    assert flight.until(lambda: pilot.says("over: the order has ended")), flight.logs()
    assert flight.until(lambda: "over: the order ended at" in flight.air.output()), flight.logs()
    flight.run(1.2)  # a status is told twice a second
    for status in json.loads(zegel("status", "--json")):
        assert [text for text in status["alarms"] if "ended" in text] == []
        assert sum(each["began"] for each in status["alarm_reasons"].values()) >= 1


def test_a_silent_flight_controller_counts_as_airborne(house, fly):
    expired(house)
    after_it_ended(house)
    flight = fly(())
    assert flight.until(lambda: flight.radio.sealed > 0)
    assert "the aircraft may be in flight, so it goes on" in flight.air.output()


def test_too_large_datagrams_are_named_with_the_encoders_option(fly, to):
    flight = fly()
    flight.wait_open()
    for size in (1200, 1449, 1450, 1900, 9000):
        to(flight.camera_port, bytes(size))
    assert flight.until(lambda: "pkt_size=1200" in flight.air.output())
    flight.run(1.2)
    assert sorted(map(len, flight.stations["pilot"].packets)) == [1200, 1449]
    air = next(s for s in json.loads(zegel("status", "--json")) if s["role"] == "air")
    assert air["drops"]["oversize"] == 3


def test_nothing_flies_without_an_order(house, tmp_path):
    zegel("device", "init", tmp_path / "bare", "--name", "bare")
    air = Program(("air", "--device", str(tmp_path / "bare"), "--link", "udpout:127.0.0.1:9"), tmp_path, "bare")
    assert air.process.wait(10) != 0
    assert "not enrolled" in air.output()


def test_one_process_holds_the_device_folder(house, fly, tmp_path):
    flight = fly(())
    assert flight.until(lambda: flight.radio.sealed > 0)
    words = ("air", "--device", str(house.folder / "drone-7"), "--fc", "udpin:127.0.0.1:9", "--link", "udpout:127.0.0.1:9")
    second = Program(words, tmp_path, "second")
    assert second.process.wait(10) == 8
    assert f"is in use by process {flight.air.process.pid}" in second.output()


def test_the_plain_side_is_silent_when_the_link_is(fly, to):
    flight = fly()
    flight.wait_open()
    flight.air.kill()
    flight.run(0.5)
    before = (len(flight.stations["pilot"].frames), len(flight.stations["pilot"].packets))
    flight.run(4)
    assert (len(flight.stations["pilot"].frames), len(flight.stations["pilot"].packets)) == before
    assert flight.stations["pilot"].says(": silent") == 1


def test_a_full_card_under_the_log_does_not_end_the_flight(house, fly, to):
    """Standard output on /dev/full: every line that air and ground print fails."""
    flight = fly(())
    flight.air.end()
    words = ("air", "--device", str(house.folder / "drone-7"), "--fc", f"udpin:{HOST}:{flight.fc_port}")
    link = ("--video", f"udpin:{HOST}:{flight.camera_port}", "--link", f"udpout:{HOST}:{flight.radio.port}")
    with open("/dev/full", "w") as full:  # noqa: PTH123
        process = subprocess.Popen([sys.executable, "-m", "gateway.cli", *words, *link], stdout=full, stderr=full)
    try:
        before = flight.radio.sealed
        assert flight.until(lambda: flight.radio.sealed > before + 2)
        assert process.poll() is None
    finally:
        process.terminate()
        assert process.wait(5) == 0


def test_started_without_a_standard_output(house, fly):
    """As some init systems and `>&-` do."""
    flight = fly(())
    flight.air.end()
    words = ("air", "--device", str(house.folder / "drone-7"), "--fc", f"udpin:{HOST}:{flight.fc_port}")
    link = ("--video", f"udpin:{HOST}:{flight.camera_port}", "--link", f"udpout:{HOST}:{flight.radio.port}")
    shell = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", sys.executable, "-m", "gateway.cli", *words, *link]
    process = subprocess.Popen(shell)
    try:
        before = flight.radio.sealed
        assert flight.until(lambda: flight.radio.sealed > before + 2)
    finally:
        process.terminate()
        assert process.wait(5) == 0


def test_rubbish_on_every_port_ends_nothing(fly, to):
    flight, rng = fly(), random.Random(3)
    flight.wait_open()
    pilot = flight.stations["pilot"]
    frame = mavlink_frame(rng, 9)
    for _ in range(2000):
        junk = rng.randbytes(rng.randrange(1500))
        for port in (pilot.port, flight.radio.port):
            to(port, junk)
        flight.step()
    to(flight.fc_port, frame)
    assert flight.until(lambda: frame in pilot.frames), flight.logs()
    assert flight.air.running
    assert pilot.program.running


def test_a_port_that_is_taken_is_waited_for(house, fly):
    flight = fly()
    flight.wait_open()
    pilot = flight.stations["pilot"]
    taken = udp_socket()
    port = taken.getsockname()[1]
    words = ("--station", str(house.folder / "observer"), "--order", str(house.order), "--link", f"udpin:{HOST}:{port}")
    more = ("--gcs", f"udpout:{HOST}:9", "--video", f"udpout:{HOST}:9")
    second = Program(("ground", *words, *more), house.folder, "second")
    try:
        flight.run(1.5)
        assert second.running
        taken.close()
        flight.radio.listeners.append(port)
        assert flight.until(lambda: ": open" in second.output()), second.output()
    finally:
        assert second.end() == 0
    assert pilot.program.running
