"""Where the seal begins: a vendor's pictures are signed as such, and a confidential order refuses them. Real processes.

Show 3 of the sources: the same box refuses in one line, and with an own camera it flies.
"""

from __future__ import annotations

import itertools
import json

import pytest

from tests.system.house import Flight, House, zegel
from tests.system.test_air import heartbeat, to

__all__ = ["to"]

BOX = """
[[source]]
name = "front"
lane = "a"
seen_by = "dji"
rtmp = "0.0.0.0:1935/live/front"
"""
OWN = """
[[source]]
name = "front"
lane = "a"
seen_by = ""
run = ["rpicam-vid", "-n", "-t", "0", "--inline", "--flush", "-o", "-"]
gives = "h264"
"""
APP = 'seen_by = ["dji"]  # its RTP comes without a source\n'
REFUSED = "zegel: the order is confidential, and pictures are held by dji before they are sealed\n"
BEGINS = "the seal begins at the controller"


def of(house: House, tables: str) -> tuple[str, str]:
    """The words that name an air.toml of these tables."""
    file = house.folder / "air.toml"
    file.write_text(tables)
    return "--config", str(file)


@pytest.fixture
def confidential(house: House) -> House:
    house.order = house.folder / "secret.order"
    house.issue(house.order, ["pilot"], ("--class", "confidential"))
    zegel("device", "load-order", house.folder / "drone-7", house.order)
    return house


ANOTHER = heartbeat(armed=True, system=2)
GIMBAL = heartbeat(armed=True, component=154)  # that calls itself an autopilot


@pytest.mark.parametrize(
    ("tables", "fc"),
    [
        pytest.param(BOX, b"", id="box"),
        pytest.param(APP, b"", id="app"),
        pytest.param(BOX, heartbeat(armed=False), id="disarmed"),
        pytest.param(BOX, heartbeat(armed=False) + ANOTHER, id="another aircraft flies"),
        pytest.param(BOX, ANOTHER + GIMBAL, id="only others fly"),
        pytest.param("no_fc = true\n" + BOX, heartbeat(armed=True), id="a flight controller that does not exist"),
    ],
)
def test_a_confidential_order_keeps_a_vendors_pictures_on_the_ground(confidential, fly, to, fc, tables):
    flight = fly((), more=of(confidential, tables))
    flight.step_more = lambda: to(flight.fc_port, fc)
    assert flight.until(lambda: not flight.air.running)
    assert flight.air.end() == 3
    assert REFUSED in flight.air.output()
    assert flight.radio.capture == []


def test_with_an_own_camera_it_flies_under_the_same_order(confidential, fly):
    flight = fly(more=of(confidential, OWN))
    flight.wait_open()
    assert BEGINS not in flight.logs()
    assert "alarm" not in flight.air.output()


def test_in_the_air_it_alarms_and_flies_on(confidential, fly, to):
    flight = fly(more=of(confidential, BOX))
    beats = itertools.cycle([ANOTHER, heartbeat(armed=True)])
    flight.step_more = lambda: to(flight.fc_port, next(beats))
    flight.wait_open()
    assert "alarm: the order is confidential, and pictures are held by dji" in flight.air.output()
    (pilot,) = flight.stations.values()
    assert flight.until(
        lambda: pilot.says("alarm: the order is confidential, and a vendor holds the pictures of 'drone-7'")
    )
    before = len(flight.stations["pilot"].frames)
    assert flight.until(lambda: len(flight.stations["pilot"].frames) > before)


def test_a_station_is_told_where_the_seal_begins(house, fly, to):
    """In the log, the status, its JSON and the metrics, of both roles; pictures and commands go as ever."""
    flight: Flight = fly(more=of(house, BOX))
    flight.step_more = lambda: to(flight.camera_port, b"a picture")
    flight.wait_open()
    (pilot,) = flight.stations.values()
    assert flight.until(lambda: pilot.says(f": open, {BEGINS}")), flight.logs()
    assert flight.until(lambda: bool(pilot.packets)), flight.logs()
    assert f"{BEGINS}: before that, dji holds the pictures" in flight.air.output()
    flight.run(1.2)  # a status is told twice a second
    said = {status["role"]: status for status in json.loads(zegel("status", "--json"))}
    assert said["air"]["seen_by"] == ["dji"]
    assert [session["vendor_has_picture"] for session in said["ground"]["sessions"]] == [True]
    assert " ".join(zegel("status").split()).count(BEGINS) == 2
    metrics = zegel("metrics", "--once")
    assert 'zegel_seen_by{role="air",name="drone-7"} 1' in metrics
    assert [line[-2:] for line in metrics.splitlines() if line.startswith("zegel_session_vendor_has_picture{")] == [" 1"]


def test_a_confidential_order_that_comes_to_a_running_session_cuts_nothing_and_the_next_start_is_refused(house, fly, to):
    flight = fly((), more=of(house, BOX))
    flight.step_more = lambda: to(flight.fc_port, heartbeat(armed=False))
    assert flight.until(lambda: flight.radio.sealed > 0)
    secret = house.folder / "secret.order"
    house.issue(secret, ["pilot"], ("--class", "confidential"))
    zegel("device", "load-order", house.folder / "drone-7", secret)
    assert flight.until(lambda: "alarm: the order is confidential, and pictures are held by dji" in flight.air.output())
    sealed = flight.radio.sealed
    assert flight.until(lambda: flight.radio.sealed > sealed)
    flight.air.end()
    flight.start_air()
    assert flight.until(lambda: not flight.air.running)
    assert REFUSED in flight.air.output()
