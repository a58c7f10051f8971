"""A vendor that holds pictures before the seal: in every beat, and under a confidential order an alarm. No socket."""

from __future__ import annotations

import dataclasses

import pytest

from gateway.air import session_manager
from gateway.air.session_manager import SessionManager
from gateway.air.vendors import Vendors
from gateway.report.alarms import Alarms
from keys.beat_flag import Flag
from keys.folders.device import DeviceFolder
from keys.grant import Profile
from keys.order import CONFIDENTIAL, REGULAR
from tests.agency import NOW, station
from tests.unit.gateway.air.test_session_manager import beats, next_order, run
from tests.unit.keys.folders.test_device import device, path, signed

__all__ = ["device", "path"]


def flying(device: DeviceFolder, alarms: Alarms, monkeypatch: pytest.MonkeyPatch, *names: str) -> SessionManager:
    """Under an order of class regular, at time 0."""
    monkeypatch.setattr(session_manager, "board_clock", lambda: NOW + 60)
    device.load_order(signed(device), NOW)
    made = SessionManager(device, 1, 8_000_000, alarms, vendors=Vendors(names, alarms))
    made.begin(0.0)
    return made


@pytest.mark.parametrize(("names", "flag"), [((), 0), (("dji",), Flag.VENDOR_HAS_PICTURE)])
def test_every_beat_says_that_a_vendor_holds_a_picture(device, monkeypatch, names, flag):
    """Of each session, with the other flags; no picture ever comes here."""
    aboard = flying(device, Alarms(lambda _: None), monkeypatch, *names)
    first = aboard.announcer
    out = run(aboard, 0.0, 3.0)
    aboard.put_in_force(next_order(aboard, stations=aboard.order.content.stations[:1]), 3.0)
    out += run(aboard, 3.0, 6.0)
    said = beats(out, first, aboard.announcer)
    assert {session for session, _ in said} == {first.session_id, aboard.announcer.session_id}
    assert len(said) > 10
    assert {flags & Flag.VENDOR_HAS_PICTURE for _, flags in said} == {flag}
    assert [flags for _, flags in said if flags & Flag.SESSION_CLOSED] == [Flag.SESSION_CLOSED | flag]


def confidential(aboard: SessionManager) -> bytes:
    return next_order(aboard, stations=(station(1, Profile.X_WING),), recording=(), classification=CONFIDENTIAL)


def test_an_order_that_comes_in_flight_is_an_alarm_and_no_more(device, monkeypatch):
    alarms = Alarms(lambda _: None)
    aboard = flying(device, alarms, monkeypatch, "dji", "autel")
    assert alarms.texts == []
    aboard.put_in_force(confidential(aboard), 1.0)
    run(aboard, 1.0, 5.0)
    assert (aboard.order.content.serial, aboard.boot) == (8, 2)
    assert alarms.texts == [
        "the order is confidential, and pictures are held by dji, autel before they are sealed;"
        " the aircraft may be in flight, so it goes on"
    ]
    assert aboard.announcer.flags & Flag.VENDOR_HAS_PICTURE
    aboard.put_in_force(next_order(aboard, serial=9, classification=REGULAR), 6.0)
    run(aboard, 6.0, 90.0)
    assert aboard.order.content.serial == 9
    assert alarms.texts == []


def test_an_own_camera_flies_under_any_order(device, monkeypatch):
    alarms = Alarms(lambda _: None)
    aboard = flying(device, alarms, monkeypatch)
    aboard.put_in_force(confidential(aboard), 1.0)
    run(aboard, 1.0, 5.0)
    assert aboard.order.content.classification == CONFIDENTIAL
    assert alarms.texts == []


def test_the_rule_is_of_vendors_and_confidential_orders_alone(device):
    regular = device_order(device)
    secret = dataclasses.replace(regular, classification=CONFIDENTIAL)
    assert not Vendors().breach(secret)
    assert not Vendors(["dji"]).breach(regular)
    assert "held by dji" in Vendors(["dji"]).breach(secret)


def device_order(device: DeviceFolder):
    device.load_order(signed(device), NOW)
    return device.order().content
