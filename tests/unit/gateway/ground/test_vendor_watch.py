from __future__ import annotations

import dataclasses

from gateway.core.session_state import SessionState
from gateway.ground.vendor_watch import VendorWatch
from gateway.report.alarms import Alarms
from keys.order import CONFIDENTIAL
from tests.agency import order
from tests.unit.gateway.report.statuses import session

REGULAR = order()
SECRET = dataclasses.replace(REGULAR, classification=CONFIDENTIAL)
SAID = "the order is confidential, and a vendor holds the pictures of '{}' before they are sealed"


def test_a_confidential_order_and_a_vendor_are_an_alarm_of_each_aircraft_until_one_of_them_is_gone():
    said: list[str] = []
    alarms = Alarms(said.append)
    watch = VendorWatch(alarms)
    seven, eight = session(vendor_has_picture=True), session(device="drone-8", vendor_has_picture=True)
    own = session(device="drone-9")
    watch.look(REGULAR, [seven, own], 0.0)
    assert alarms.texts == []
    watch.look(SECRET, [seven, eight, own], 1.0)
    watch.look(SECRET, [session(SessionState.SILENT, vendor_has_picture=True), eight], 2.0)
    assert alarms.texts == [SAID.format("drone-7"), SAID.format("drone-8")]
    watch.look(SECRET, [session(SessionState.CLOSED, vendor_has_picture=True), eight], 3.0)
    assert alarms.texts == [SAID.format("drone-8")]
    watch.look(REGULAR, [eight], 4.0)
    assert alarms.texts == []
    assert len(said) == 4
