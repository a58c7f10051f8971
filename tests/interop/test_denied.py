"""MAVSDK's ground control station under a policy that denies what it asks for: how long it waits for an answer."""

from __future__ import annotations

import statistics

import pytest

from tests.interop.chain import Sealed, ending
from tests.system.test_own_guard import TEXT, issue

peers = pytest.importorskip("tests.interop.mavsdk_peers", reason="needs mavsdk (pip install '.[interop]')")

pytestmark = pytest.mark.peers

TIMES = 20


@pytest.mark.parametrize("policy", ["observer", "camera-operator", "technician"])
def test_mavsdk_is_told_at_once_that_its_command_is_denied(house, tmp_path, figure, policy):
    guards = tmp_path / "guard.toml"
    guards.write_text(TEXT)
    issue(house, guards, {"pilot": policy})
    chain = Sealed(house, air=("--guard", str(guards)), ground=("--guard", str(guards)))
    autopilot, gcs = peers.Autopilot(chain.fc_port, tmp_path), peers.GroundStation(chain.gcs_port)
    with ending(gcs, autopilot, chain):
        chain.wait_open()
        gcs.meet()
        told = [gcs.arm() for _ in range(TIMES)]
        assert {result for result, _ in told} == {peers.ActionResult.COMMAND_DENIED}
        assert autopilot.armings == []
        assert "kept back: COMMAND_LONG COMPONENT_ARM_DISARM" in chain.logs()
    took = [1000 * seconds for _, seconds in told]
    longest, median = f"{max(took):.1f} ms (longest)", f"{statistics.median(took):.1f} ms (median of {TIMES})"
    figure(f"a command that {policy} denies: MAVSDK is told after {median}, {longest}, of 100 ms wanted")
