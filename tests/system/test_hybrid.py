"""A hybrid agency's orders in flight: real processes, real folders."""

from __future__ import annotations

import pytest

from gateway.demo.forgery import forged
from gateway.demo.stage import Program
from keys.cose import Alg
from keys.order import parse_order
from tests.system.house import Flight, House, zegel


@pytest.fixture
def flight(tmp_path, monkeypatch):
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    made = Flight(House(tmp_path, agency_words=["--hybrid"]), ("pilot", "observer"))
    yield made
    made.end()


def load(flight: Flight, name: str) -> tuple[int, str]:
    """By a process of its own, while the radio goes on; its exit code, and what it says."""
    folder = flight.house.folder
    loading = Program(("device", "load-order", str(folder / "drone-7"), str(folder / name)), folder, f"load {name}")
    assert flight.until(lambda: not loading.running)
    return loading.end(), loading.output()


def test_both_signatures_are_needed_of_a_running_aircraft_and_an_amendment_goes_by_the_link(flight):
    flight.wait_open()
    folder = flight.house.folder
    for broken, missing in ((Alg.ESP384, "ML-DSA-65"), (Alg.ML_DSA_65, "P-384")):
        data = forged(folder / "agency", flight.house.order, folder / "visitor/station.pub", broken)
        (folder / f"{missing}.order").write_bytes(data)
        code, said = load(flight, f"{missing}.order")
        assert code == 5
        assert f"the order lacks the {missing} signature that the pinned roots of 'Harbour Police' ask for" in said
    assert flight.air.output().count("sealed: operation") == 1
    words = ("order", "extend", flight.house.order, "--agency", folder / "agency", "--hours", 1)
    zegel(*words, "-o", folder / "longer.order")
    assert load(flight, "longer.order")[0] == 0
    number = parse_order((folder / "longer.order").read_bytes()).serial
    for station in flight.stations.values():
        assert flight.until(lambda s=station: s.says(f"goes on under order {number}") == 1), flight.logs()
