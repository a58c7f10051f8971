"""What the doctor says of a device's order, and that its look is in nobody's way."""

from __future__ import annotations

import pytest

from gateway.board import orders
from gateway.config import AirConfig
from keys.commands.account import caller
from keys.folders.device import DeviceFolder
from keys.grant import Profile
from keys.policy import Policy
from tests.agency import NOW, station
from tests.unit.keys.folders.test_device import device, path, signed

__all__ = ["device", "path"]


@pytest.fixture
def enrolled(device, path, monkeypatch):
    monkeypatch.setattr(orders.time, "time", lambda: NOW + 60)
    device.load_order(signed(device, policy=Policy(max_boots=1)), NOW)
    device.close()
    return path


def test_a_flight_that_starts_while_the_doctor_looks_gets_its_folder(enrolled):
    """On cb8126d the doctor held the lock while it looked, and such a start ended with FolderInUse."""
    findings = orders._aboard(enrolled, caller())
    first = next(findings)
    assert first.what == "enrolled"
    with DeviceFolder.open(enrolled) as flight:
        assert flight.next_boot() == (1, None)
        assert [(each.what, each.state.value) for each in findings] == [("order", "ok")]


def test_a_look_clears_nothing_away_and_writes_nothing(enrolled):
    half_written = enrolled / ".state.json.0011.tmp"
    half_written.write_bytes(b"{")
    before = {found.name: found.stat().st_mtime_ns for found in enrolled.iterdir()}
    list(orders._aboard(enrolled, caller()))
    assert {found.name: found.stat().st_mtime_ns for found in enrolled.iterdir()} == before
    view = DeviceFolder.view(enrolled)
    for write in (view.next_boot, lambda: view.add_seconds(1), lambda: view.load_order(b"", NOW)):
        with pytest.raises(AssertionError):
            write()


def test_an_aircraft_whose_system_id_its_order_does_not_list_is_told_so(device, path, monkeypatch):
    monkeypatch.setattr(orders.time, "time", lambda: NOW + 60)
    device.load_order(signed(device, systems=(2, 51)), NOW)
    device.close()
    assert [each.what for each in orders._aboard(path, caller(), configured(system_id=51))] == ["enrolled", "order"]
    (*_, wrong) = orders._aboard(path, caller(), configured(system_id=1))
    assert wrong.what == "system id"
    assert "system 1, and its order lists system ids 2, 51: no station shows it" in wrong.text


def test_a_confidential_order_and_a_vendor_are_told_before_the_flight(device, path, monkeypatch):
    monkeypatch.setattr(orders.time, "time", lambda: NOW + 60)
    for classification, said in (("regular", []), ("confidential", ["seal"])):
        safe = {"stations": (station(1, Profile.X_WING),), "recording": (), "serial": 7 + len(said)}
        device.load_order(signed(device, classification=classification, **safe), NOW)
        assert [each.what for each in orders._aboard(path, caller(), configured(seen_by=("dji",)))][2:] == said
        assert [each.what for each in orders._aboard(path, caller(), configured())][2:] == []


def configured(**keys) -> AirConfig:
    return AirConfig(device="drone-7", link=("udpout:127.0.0.1:14600",), **keys)


def test_of_a_flight_with_its_last_start_no_limit_is_said(enrolled):
    with DeviceFolder.open(enrolled) as flight:
        flight.order()
        flight.next_boot()
        (_, order) = orders._aboard(enrolled, caller())
        assert order.state.value == "ok"
        assert "in use by a running zegel air, process" in order.text
    (_, order) = orders._aboard(enrolled, caller())
    assert "has used up its starts" in order.text
