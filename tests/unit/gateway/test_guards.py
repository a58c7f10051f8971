"""Which guard policies a role has, and which orders it refuses for want of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.guards import OVER_RATE, Guards
from keys.errors import WrongGuardFile
from keys.folders import guard_file
from tests.agency import NOW, station
from tests.guarded import command, frame
from tests.unit.keys.folders.test_device import device, path, signed

__all__ = ["device", "path"]

TEXT = '[guard.technician]\nbase = "pilot"\nblock = ["COMPONENT_ARM_DISARM"]\nrate = 5\n'


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    found = tmp_path / "guard.toml"
    found.write_text(TEXT)
    return found


def test_a_policy_is_a_listed_one_or_one_of_the_file(policies: Path):
    guards = Guards.of(str(policies))
    arm = command("COMPONENT_ARM_DISARM")
    assert guards.of_station("technician").policy == "technician"
    assert guards.of_station("technician").held(arm, 0.0) == "COMMAND_LONG COMPONENT_ARM_DISARM"
    assert guards.of_station("pilot").held(arm, 0.0) is None
    assert Guards.of(None).of_station("observer").held(frame("HEARTBEAT"), 0.0) == "HEARTBEAT"


def test_a_rate_allows_one_second_at_once(policies: Path):
    guards, ping = Guards.of(str(policies)), frame("PING")
    technician, pilot = guards.of_station("technician"), guards.of_station("pilot")
    assert technician.held(command("COMPONENT_ARM_DISARM"), 10.0) not in (None, OVER_RATE)  # and costs none of the rate
    assert [technician.held(ping, 10.0) for _ in range(7)] == [None] * 5 + [OVER_RATE] * 2
    assert [technician.held(ping, 10.3) for _ in range(2)] == [None, OVER_RATE]
    assert not any(pilot.held(ping, 10.0) for _ in range(100))
    late = guards.of_station("technician", waited_s=3.0)
    assert [late.held(ping, 10.0) for _ in range(21)] == [None] * 20 + [OVER_RATE]


def test_a_name_that_mavlink_does_not_have_is_an_error_with_its_place(policies: Path):
    policies.write_text(TEXT.replace("COMPONENT_ARM_DISARM", "ARM"))
    with pytest.raises(ConfigError, match=r"guard.toml, guard.technician: 'ARM' is no message and no command"):
        Guards.of(str(policies))


def test_an_order_for_another_file_is_refused_before_it_is_stored(device, policies: Path):
    Guards.aboard(str(policies), device)
    device.load_order(signed(device), NOW)
    own = {"guards": guard_file.read(policies).hash, "stations": (station(1, guard="technician"), station(2))}
    device.load_order(signed(device, 8, **own), NOW)
    Guards.aboard(str(policies), device)
    with pytest.raises(WrongGuardFile, match="is not the file whose guard policies"):
        device.load_order(signed(device, 9, **{**own, "guards": bytes(32)}), NOW)
    assert device.order().content.serial == 8
    with pytest.raises(WrongGuardFile, match="no file with them is here"):
        Guards.aboard(None, device)
