"""MAVSDK's ground control station under a policy that denies what it asks for: how long it waits for an answer."""

from __future__ import annotations

import statistics

import pytest

from tests.interop.chain import Sealed, ending

peers = pytest.importorskip("tests.interop.mavsdk_peers", reason="needs mavsdk (pip install '.[interop]')")

pytestmark = pytest.mark.peers

TIMES = 20


def test_mavsdk_is_told_at_once_that_its_command_is_denied(house, tmp_path, figure):
    house.load({"pilot": "telemetry,video,command:camera-operator"})
    chain = Sealed(house)
    autopilot, gcs = peers.Autopilot(chain.fc_port, tmp_path), peers.GroundStation(chain.gcs_port)
    with ending(gcs, autopilot, chain):
        chain.wait_open()
        gcs.meet()
        told = [gcs.arm() for _ in range(TIMES)]
        assert {result for result, _ in told} == {peers.ActionResult.COMMAND_DENIED}
        assert autopilot.armings == []
        assert "kept back: COMMAND_LONG COMPONENT_ARM_DISARM" in chain.logs()
    took = [1000 * seconds for _, seconds in told]
    figure(
        f"a denied command: MAVSDK is told after {statistics.median(took):.1f} ms (median of {TIMES}), {max(took):.1f} ms"
        " (longest), of 100 ms wanted"
    )
