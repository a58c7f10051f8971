"""MAVSDK's autopilot and ground control station, straight and through both processes of zegel, side by side."""

from __future__ import annotations

import statistics

import pytest

from tests.interop.chain import Chain, Sealed, Straight, ending
from tests.relay import Weather

peers = pytest.importorskip("tests.interop.mavsdk_peers", reason="needs mavsdk (pip install '.[interop]')")
RADIO = Weather(delay_ms=10, kbit=8_000)  # each way; no radio is as fast as loopback
CALM = Weather()

pytestmark = pytest.mark.peers


def day(chain: Chain, tmp_path) -> dict[str, list[float]]:
    """One ground control station's day over a chain; seconds by transaction."""
    aboard, ashore = (tmp_path / name for name in ("aboard", "ashore"))
    for folder in (aboard, ashore):
        folder.mkdir(exist_ok=True)
    autopilot, gcs = peers.Autopilot(chain.fc_port, aboard), peers.GroundStation(chain.gcs_port)
    with ending(gcs, autopilot, chain):
        chain.wait_open()
        gcs.meet()
        return peers.transact(autopilot, gcs, aboard, ashore)


def told(seconds: list[float]) -> str:
    return f"{1000 * min(seconds):.1f} (median {1000 * statistics.median(seconds):.1f})"


@pytest.mark.alone
@pytest.mark.parametrize(("over", "weathers"), [("loopback", ()), ("radio", (RADIO,))])
def test_a_day_straight_and_through_zegel(over, weathers, house, tmp_path, figure):
    straight = day(Straight(*weathers), tmp_path)
    sealed = day(Sealed(house, *weathers), tmp_path)
    # Two processes that only copy datagrams, in zegel's place: what no gateway of two processes can be faster than.
    copied = day(Straight(CALM, CALM, *weathers), tmp_path)
    for name, took in straight.items():
        one, two, three = min(took), min(copied[name]), min(sealed[name])
        figure(
            f"MAVSDK, {over}: {name}: ms: {told(took)} straight, {told(copied[name])} through two processes that copy, "
            f"{told(sealed[name])} through zegel: {three / one:.2f} times straight, {three / two:.2f} times copied"
        )


@pytest.mark.parametrize(("policy", "stored"), [("pilot", False), ("maintainer", True)])
def test_a_maintainer_stores_files_and_a_pilot_none(policy, stored, house, tmp_path):
    house.load({"pilot": f"telemetry,video,command:{policy}"})
    aboard, ashore = (tmp_path / name for name in ("aboard", "ashore"))
    for folder in (aboard, ashore):
        folder.mkdir()
    (ashore / "script.lua").write_bytes(bytes(range(256)))
    (aboard / "log.bin").write_bytes(b"evidence")
    chain = Sealed(house)
    autopilot, gcs = peers.Autopilot(chain.fc_port, aboard), peers.GroundStation(chain.gcs_port)
    with ending(gcs, autopilot, chain):
        chain.wait_open()
        gcs.meet()
        assert gcs.fetch("log.bin", ashore) == b"evidence"
        assert (gcs.store(ashore / "script.lua") is peers.FtpResult.SUCCESS) == stored
        assert (aboard / "script.lua").is_file() == stored
        assert (aboard / "log.bin").read_bytes() == b"evidence"
        assert ("kept back: FILE_TRANSFER_PROTOCOL CREATEFILE" in chain.logs()) != stored
