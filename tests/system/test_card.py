"""Cards that are full, read-only or forget: the feed goes on, it is said what is wrong, and it heals without a hand.

No start depends on the card for its nonces: each draws fresh keys. What a card that cannot be written costs is the boot
counter, by which stations tell a new start from a recording of an old one. Writes that fail are store.py's tests,
a full card under the log is test_air.py's.
"""

from __future__ import annotations

import json
import shutil

import pytest

from gateway.core.ground.session import LASTED_S
from gateway.report.advice import advise
from gateway.report.role_status import decoded
from gateway.report.wording import READY
from tests.system.card import Card
from tests.system.house import Flight, zegel
from tests.system.test_links import Traffic

FULL, READ_ONLY = "no space left on device", "read-only file system"
ROLLED_BACK = "alarm: refused a session of 'drone-7' with boot counter 1, although 1 was heard before"


@pytest.fixture
def card(house):
    made = []

    def under(name: str) -> Card:
        made.append(Card(house.folder / name))
        return made[-1]

    yield under
    for one in made:
        one.remove()


@pytest.fixture
def traffic():
    made = []

    def start(flight: Flight) -> Traffic:
        made.append(Traffic(flight.fc_port))
        flight.step_more = made[-1].step
        return made[-1]

    yield start
    for one in made:
        one.socket.close()


def goes_on(flight: Flight) -> bool:
    """Whether every frame that is sent from now on comes."""
    pilot = flight.stations["pilot"]
    before = len(pilot.frames)
    return flight.until(lambda: len(pilot.frames) > before + 100)


def stored(flight: Flight) -> int:
    return json.loads((flight.house.folder / "drone-7/state.json").read_bytes())["boot_counter"]


def advice(role: str) -> str:
    return next(advise(status) for status in map(decoded, json.loads(zegel("status", "--json"))) if status.role == role)


def test_a_card_that_cannot_be_written_costs_no_feed_and_heals(house, card, fly, traffic):
    """It is full in flight, read-only when the aircraft starts anew, and well again."""
    aboard = card("drone-7")
    flight = fly()
    traffic(flight)
    flight.wait_open()
    aboard.fill()
    assert goes_on(flight), flight.logs()
    zegel("order", "extend", house.order, "--hours", "1", "--agency", house.folder / "agency", "-o", house.folder / "n")
    with pytest.raises(AssertionError, match=f"{FULL}\n  hint: check that the disk is writable and not full"):
        zegel("device", "load-order", house.folder / "drone-7", house.folder / "n")
    assert goes_on(flight)
    aboard.empty()
    aboard.read_only()
    flight.air.kill()
    flight.start_air()
    assert flight.until(lambda: flight.stations["pilot"].says(": open") == 2), flight.logs()
    assert goes_on(flight)
    uncounted = f"{READ_ONLY}: this start is not counted"  # the line ends soon behind it if the folder has a long path
    assert flight.until(lambda: uncounted in flight.air.output()), flight.logs()
    assert stored(flight) == 1
    flight.run(1.0)
    assert READ_ONLY in advice("air")
    aboard.writable()
    assert flight.until(lambda: stored(flight) == 2), flight.logs()
    flight.run(1.0)
    assert READ_ONLY not in advice("air")
    assert goes_on(flight)


def test_what_a_card_forgets_is_seen_by_the_stations(house, fly, traffic):
    """As with a root file system that lies in memory: the folder is at each start as it was once."""
    shutil.copytree(house.folder / "drone-7", house.folder / "as-it-was")
    flight = fly()
    traffic(flight)
    flight.wait_open()
    assert flight.until(lambda: bool(flight.stations["pilot"].says(READY))), flight.logs()
    flight.run(LASTED_S + 0.5)
    flight.air.kill()
    shutil.rmtree(house.folder / "drone-7")
    shutil.copytree(house.folder / "as-it-was", house.folder / "drone-7")
    flight.start_air()
    pilot = flight.stations["pilot"]
    assert flight.until(lambda: pilot.says(ROLLED_BACK) == 1), flight.logs()
    assert pilot.says(": open") == 1
    assert flight.until(lambda: "rolled back" in advice("ground"))


@pytest.mark.soak
def test_a_station_whose_disk_cannot_be_written_opens_and_remembers_later(house, card, fly, traffic):
    disk = card("pilot")
    disk.fill()
    flight = fly()
    traffic(flight)
    flight.wait_open()
    assert goes_on(flight)
    pilot = flight.stations["pilot"]
    assert flight.until(lambda: pilot.says(f"{FULL}: this start of the aircraft is not remembered") == 1), flight.logs()
    disk.empty()
    assert flight.until((house.folder / "pilot/state.json").exists), flight.logs()
    assert goes_on(flight)
