"""An order is changed in flight: real processes, real folders."""

from __future__ import annotations

import itertools
import json
import random
import re
import socket
import time

import pytest

from gateway.demo.stage import HOST, Listener, Program
from gateway.errors import OrderExpired
from keys.order import parse_order
from tests.memory_link import mavlink_frame
from tests.system.house import zegel
from tests.system.test_air import heartbeat

BLIND_WITHIN_S = 2.0


@pytest.fixture
def feed():
    """A flight controller and a camera that never stop."""
    rng, out = random.Random(3), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sent = {"seq": 0, "at": 0.0}

    def attach(flight) -> None:
        def step() -> None:
            if time.monotonic() - sent["at"] > 0.02:
                sent.update(seq=sent["seq"] + 1, at=time.monotonic())
                out.sendto(mavlink_frame(rng, sent["seq"]), (HOST, flight.fc_port))
                out.sendto(rng.randbytes(800), (HOST, flight.camera_port))

        flight.step_more = step

    yield attach
    out.close()


def amend(house, verb: str, *words: object) -> None:
    zegel("order", verb, house.order, "--agency", house.folder / "agency", *words, "-o", house.folder / "new.order")


def load(flight) -> str:
    """By a process of its own, while the radio goes on."""
    folder = flight.house.folder
    words = ("device", "load-order", str(folder / "drone-7"), str(folder / "new.order"))
    loading = Program(words, folder, "load")
    assert flight.until(lambda: not loading.running)
    assert loading.end() == 0, loading.output()
    return loading.output()


def longest_gap(times: list[float]) -> float:
    return max(later - earlier for earlier, later in itertools.pairwise(times))


def test_a_revoked_station_is_blind_and_the_others_go_on(house, fly, feed, figure):
    flight = fly(("pilot", "observer"))
    feed(flight)
    flight.wait_open()
    flight.run(1.0)
    amend(house, "revoke", "--station", "observer")
    pilot, observer = flight.stations["pilot"], flight.stations["observer"]
    assert observer.frames
    assert observer.packets
    pilot.forget()
    said = load(flight)
    assert "the running zegel air has accepted the order" in said
    flight.run(BLIND_WITHIN_S)
    observer.forget()
    flight.run(2.0)
    assert (observer.frames, observer.packets) == ([], [])
    assert observer.says("does not list this station")
    assert pilot.frames
    assert pilot.packets
    assert pilot.says("goes on under order 2") == 1
    gap = longest_gap(pilot.frame_times)
    figure(f"revoked in flight: observer blind; longest gap of the pilot's telemetry {gap:.2f} s")
    assert (flight.air.running, flight.air.output().count("sealed: operation")) == (True, 2)


def test_a_station_joins_in_flight_and_no_other_waits_for_it(house, fly, feed):
    flight = fly()
    feed(flight)
    flight.wait_open()
    amend(house, "add", "--station", f"{house.folder}/visitor/station.pub:telemetry,video")
    load(flight)
    late = Listener("visitor", house.folder, house.folder / "new.order")
    flight.stations["visitor"] = late
    flight.radio.listeners.append(late.port)
    assert flight.until(lambda: bool(late.frames and late.packets)), flight.logs()
    assert flight.until(lambda: flight.stations["pilot"].says("goes on under order 2") == 1), flight.logs()


def test_an_operation_that_is_ended_cuts_no_flight_and_begins_none(house, fly, feed):
    """The order that ends it has ended when it comes: by file aboard, by the link to the stations. Then one restarts."""
    flight = fly(("pilot", "observer"))
    feed(flight)
    flight.wait_open()
    amend(house, "end")
    order = parse_order((house.folder / "new.order").read_bytes())
    assert flight.until(lambda: time.time() > order.not_after + 1 or not flight.air.running)
    load(flight)
    stations = list(flight.stations.values())
    assert flight.until(lambda: all(station.says("goes on under order 2") for station in stations)), flight.logs()
    pilot = stations[0]
    pilot.program.kill()
    pilot.start()
    for station in stations:
        station.forget()
    assert flight.until(lambda: all(station.frames and station.packets for station in stations)), flight.logs()
    assert flight.until(lambda: all(station.says("alarm: the order has ended") for station in stations)), flight.logs()
    assert flight.until(lambda: "alarm: the order ended at" in flight.air.output()), flight.logs()
    assert flight.until(lambda: flight.air.output().count("sealed: operation") == 2), flight.logs()
    assert flight.air.running
    flight.air.end()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as fc:
        flight.step_more = lambda: fc.sendto(heartbeat(armed=False), (HOST, flight.fc_port))
        flight.start_air()
        assert flight.until(lambda: not flight.air.running)
    assert flight.air.end() == OrderExpired.exit_code
    assert "and the aircraft is on the ground" in flight.air.output()


def test_a_station_that_is_given_other_roles_opens_by_them(house, fly, feed):
    """Without its file: the order comes by the link."""
    flight = fly(("pilot", "observer"))
    feed(flight)
    flight.wait_open()
    pilot, observer = flight.stations["pilot"], flight.stations["observer"]
    amend(house, "change", "--station", "observer:video")
    load(flight)
    assert flight.until(lambda: observer.says("goes on under order 2") == 1), flight.logs()
    flight.run(BLIND_WITHIN_S)
    observer.forget()
    pilot.forget()
    flight.run(2.0)
    assert (observer.frames, bool(observer.packets)) == ([], True)
    assert pilot.frames
    assert pilot.packets


def test_a_restarted_station_goes_on_with_the_order_of_the_link(house, fly, feed):
    """Its own file is the old one, and stays so."""
    flight = fly()
    feed(flight)
    flight.wait_open()
    amend(house, "extend", "--hours", "1")
    load(flight)
    pilot = flight.stations["pilot"]
    assert flight.until(lambda: pilot.says("goes on under order 2") == 1), flight.logs()
    pilot.program.kill()
    pilot.forget()
    pilot.start()
    assert flight.until(lambda: bool(pilot.frames)), flight.logs()

    def orders() -> list[int]:
        """A ground that has just started may not have published its status in the second that is waited for it."""
        return [status["order"] for status in json.loads(zegel("status", "--json")) if status["role"] == "ground"]

    assert flight.until(lambda: orders() == [2]), flight.logs()


def test_an_observer_takes_a_newer_order_put_over_its_file_and_carries_nothing_up(house, fly, feed):
    flight = fly(("observer",))
    feed(flight)
    flight.wait_open()
    amend(house, "extend", "--hours", "1")
    (house.folder / "new.order").replace(house.order)
    observer = flight.stations["observer"]
    assert flight.until(lambda: observer.says("goes on under order 2") == 1), flight.logs()
    observer.forget()
    flight.run(2.0)
    assert observer.frames, "the aircraft flies under the old order, which this station still knows"
    assert flight.air.output().count("sealed: operation") == 1


def test_a_commander_carries_a_newer_order_up(house, fly, feed):
    """Nobody reaches the aircraft but by the link."""
    flight = fly(("pilot", "observer"))
    feed(flight)
    flight.wait_open()
    amend(house, "revoke", "--station", "observer")
    (house.folder / "new.order").replace(house.order)
    pilot, observer = flight.stations["pilot"], flight.stations["observer"]
    assert flight.until(lambda: flight.air.output().count("sealed: operation") == 2), flight.logs()
    flight.run(1.0)
    observer.forget()
    pilot.forget()
    session = re.findall(r"session (\w+), boot 2", flight.air.output())[-1]
    assert flight.until(lambda: pilot.says(f"session {session}: commands go up") >= 1), flight.logs()
    flight.run(1.0)
    assert (observer.frames, observer.packets) == ([], [])
    assert pilot.frames
    assert parse_order((house.folder / "drone-7/order").read_bytes()).serial == 2


def test_a_restart_of_the_aircraft_never_returns_to_the_old_order(house, fly, feed):
    flight = fly(("pilot", "observer"))
    feed(flight)
    flight.wait_open()
    amend(house, "revoke", "--station", "observer")
    load(flight)
    flight.air.kill()
    flight.start_air()
    pilot, observer = flight.stations["pilot"], flight.stations["observer"]
    assert flight.until(lambda: pilot.says("goes on under order 2") == 1), flight.logs()
    observer.forget()
    flight.run(1.0)
    assert (observer.frames, observer.packets) == ([], [])


def test_an_order_that_is_refused_changes_nothing(house, fly, feed, capsys):
    flight = fly()
    feed(flight)
    flight.wait_open()
    with pytest.raises(AssertionError, match="the order is not for this device"):
        zegel("device", "load-order", house.folder / "drone-7", _older(house))
    pilot = flight.stations["pilot"]
    pilot.forget()
    flight.run(1.0)
    assert pilot.frames
    assert flight.air.output().count("sealed: operation") == 1
    assert "alarm: an order that was handed over is refused" in flight.air.output()


def _older(house):
    """Issued for another aircraft of the agency."""
    zegel("device", "init", house.folder / "other", "--name", "drone-8")
    csr, crt = house.folder / "other/device.csr", house.folder / "drone-8.crt"
    zegel("agency", "certify-device", house.folder / "agency", csr, "-o", crt)
    path = house.folder / "other.order"
    station = f"{house.folder}/pilot/station.pub:telemetry"
    words = ("--operation", "Other", "--device", crt, "--station", station, "--hours", "1", "-o", path)
    zegel("order", "issue", house.folder / "agency", *words)
    return path
