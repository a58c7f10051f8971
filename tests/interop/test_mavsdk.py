"""MAVSDK's autopilot and ground control station, straight and through both processes of zegel, side by side."""

from __future__ import annotations

import statistics

import pytest

from tests.interop.chain import Chain, Sealed, Straight, ending
from tests.relay import Weather

peers = pytest.importorskip("tests.interop.mavsdk_peers", reason="needs mavsdk (pip install '.[interop]')")
RADIO = Weather(delay_ms=10)  # each way; loopback alone is faster than any radio
RUNS = {"loopback": 3, "radio": 1}


def day(chain: Chain, tmp_path) -> dict[str, float]:
    """One ground control station's day over a chain; seconds by transaction."""
    aboard, ashore = (tmp_path / name for name in ("aboard", "ashore"))
    for folder in (aboard, ashore):
        folder.mkdir(exist_ok=True)
    autopilot, gcs = peers.Autopilot(chain.fc_port, aboard), peers.GroundStation(chain.gcs_port)
    with ending(gcs, autopilot, chain):
        chain.wait_open()
        gcs.meet()
        return peers.transact(autopilot, gcs, aboard, ashore)


def medians(days: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(day[name] for day in days) for name in days[0]}


@pytest.mark.parametrize(("over", "weather"), [("loopback", None), ("radio", RADIO)])
def test_a_day_straight_and_through_zegel(over, weather, house, tmp_path, figure):
    straight = medians([day(Straight(weather), tmp_path) for _ in range(RUNS[over])])
    sealed = medians([day(Sealed(house, weather), tmp_path) for _ in range(RUNS[over])])
    for name, took in straight.items():
        figure(
            f"MAVSDK, {over}: {name}: {1000 * took:.1f} ms straight, {1000 * sealed[name]:.1f} ms through zegel,"
            f" ratio {sealed[name] / took:.2f}"
        )
