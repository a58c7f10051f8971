"""How long a flight controller is without its ground control station when an order changes or the aircraft starts again.

    python -m pytest -m soak tests/property/test_handover.py

prints the whole distributions. Time here is an argument, so a bound may be asserted; with real processes it is printed
(tests/system/test_handover.py).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from keys.folders.device import DeviceFolder
from tests.property.handover import AFTER_S, SERIAL_BPS, WIDE_BPS, Handover, gaps
from tests.relay import Weather
from tests.system.house import House

BOUND_S = 3.0  # at the 99th percentile, at 20 % loss; ArduCopter waits for five seconds
RUNS, SERIAL_RUNS = 200, 40
SERIAL_AFTER_S = 60.0


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> House:
    return House(tmp_path_factory.mktemp("house"))


@pytest.fixture(scope="module")
def serial_house(tmp_path_factory) -> House:
    return House(tmp_path_factory.mktemp("serial"), "x25519")


def spread(values: list[float]) -> str:
    p50, p90, p99 = np.percentile(values, [50, 90, 99])
    return f"p50 {p50:.1f}, p90 {p90:.1f}, p99 {p99:.1f}, max {max(values):.1f} s"


def flights(house: House, weather: Weather, link_bps: int, runs: int, flown: Callable[[Handover], object]) -> list:
    """What `flown` gives of each of so many seeded flights."""
    with DeviceFolder.open(house.folder / "drone-7") as device:
        return [flown(Handover(house, device, seed, weather, link_bps)) for seed in range(runs)]


def handovers(house: House, happens: Callable[[Handover], None], loss: float, runs: int, figure) -> list[float]:
    weather = Weather(loss=loss, delay_ms=50)
    frames, heartbeats = zip(
        *flights(house, weather, WIDE_BPS, runs, lambda made: gaps(made, happens, AFTER_S)), strict=True
    )
    figure(
        f"{happens.__name__}, {runs} at {loss:.0%} loss, 50 ms each way: longest time without a frame of the GCS, 10 a"
        f" second: {spread(frames)}; without a heartbeat, 1 a second: {spread(heartbeats)}"
    )
    return frames


@pytest.mark.parametrize("happens", [Handover.change, Handover.restart, Handover.kill])
def test_a_flight_controller_is_not_left_alone(house, happens, figure):
    assert max(handovers(house, happens, 0.2, 8, figure)) < BOUND_S


@pytest.mark.soak
@pytest.mark.parametrize("happens", [Handover.quiet, Handover.change, Handover.restart, Handover.kill])
def test_200_seeded_handovers(house, happens, figure):
    handovers(house, happens, 0.0, RUNS // 4, figure)
    assert np.percentile(handovers(house, happens, 0.2, RUNS, figure), 99) < BOUND_S


@pytest.mark.soak
@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_joining_and_a_change_at_57600_baud(serial_house, loss, figure):
    weather = Weather(loss=loss, delay_ms=20, kbit=SERIAL_BPS / 1000)
    joined = flights(serial_house, weather, SERIAL_BPS, SERIAL_RUNS, Handover.joined)
    changed = flights(
        serial_house, weather, SERIAL_BPS, SERIAL_RUNS, lambda made: gaps(made, Handover.change, SERIAL_AFTER_S)
    )
    frames = [gap for gap, _ in changed]
    what = f"57,600 baud, {loss:.0%} loss, {SERIAL_RUNS} of each: from the aircraft's first word to the first command"
    figure(f"{what} {spread(joined)}; change, longest time without a frame of the GCS {spread(frames)}")
