"""What a drone's load costs: in turn, medians, and ratios within each round."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bench import drone
from bench.load import TRACES, Load
from bench.relay import Flown
from bench.rivals import Srt
from bench.workspace import Scene

FORM = drone.Form(3, 1.0, (Load(8, pictures=True), Load(20)))


@dataclass
class FakeRelay:
    """Takes these percentages of a core, one for each flight, to seal, and twice as much to open."""

    name: str
    takes: tuple[float, ...]
    log: list[tuple[str, str]] = field(default_factory=list)

    def fly(self, flight: Load, _seconds: float, _file: Path) -> Flown:
        mine = sum(name == self.name and load == flight.name for name, load in self.log)
        self.log.append((self.name, flight.name))
        return Flown(self.takes[mine], 2 * self.takes[mine], 30.0, 31.0, 0.5, math.nan, 0.0)


@pytest.fixture
def relays() -> list[FakeRelay]:
    log: list[tuple[str, str]] = []
    return [FakeRelay("Zegel (C)", (1.0, 8.0, 3.0), log), FakeRelay(Srt.name, (2.0, 4.0, 2.0), log)]


@pytest.fixture
def flights(relays: list[FakeRelay]) -> drone.Flights:
    return drone.fly(Scene(Path(), None), relays, FORM, lambda *_: None)


def test_each_load_goes_to_each_relay_in_turn(relays: list[FakeRelay], flights: drone.Flights):
    assert relays[0].log[:4] == [(name, load) for load in ("pictures 8", "even 20") for name in ("Zegel (C)", Srt.name)]
    assert {load: [len(rounds) for rounds in mine] for load, mine in flights.items()} == {
        "pictures 8": [3, 3],
        "even 20": [3, 3],
    }


def test_medians_and_the_ratios_to_srt_of_each_round(relays: list[FakeRelay], flights: drone.Flights):
    cost, ratio, wakes, latency, _ = drone.tables(relays, flights)
    assert cost.columns == ("relay", "pictures 8", "even 20")
    assert "medians of 3 rounds" in cost.title
    assert cost.rows[0] == ("Zegel (C)", "3.00/6.00", "3.00/6.00")
    assert ratio.rows == (("Zegel (C)", "1.50/1.50", "1.50/1.50"), (Srt.name, "1.00/1.00", "1.00/1.00"))
    assert wakes.rows[0][1] == "30.0/31.0"
    assert latency.rows[0][1] == "0.50/-"
    assert drone.times_srt(relays, flights, FORM.loads[0]) == (1.5, 1.5)


def test_without_srt_there_are_no_ratios(relays: list[FakeRelay], flights: drone.Flights):
    alone = {load: rounds[:1] for load, rounds in flights.items()}
    assert len(drone.tables(relays[:1], alone)) == 4
    assert drone.times_srt(relays[:1], alone, FORM.loads[0]) is None


def test_every_load_in_pictures_has_its_trace():
    for load in drone.LOADS:
        assert not load.pictures or (TRACES / f"x264-{load.mbit:g}.txt").exists()
