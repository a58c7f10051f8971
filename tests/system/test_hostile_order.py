"""Orders of an insider, at processes: no content of a certificate ends an aircraft or a ground."""

from __future__ import annotations

import json

from keys.order import parse_order
from tests.hostile.order_attacks import evil_order, pieces, rubbish
from tests.system.house import zegel
from tests.system.insider import Insider


def alarms(role: str) -> dict:
    return next(status for status in json.loads(zegel("status", "--json")) if status["role"] == role)["alarm_reasons"]


def test_a_certificate_that_a_library_throws_at(house, fly, figure):
    flight = fly(("observer",))
    flight.wait_open()
    insider, (observer,) = Insider(flight, "pilot"), flight.stations.values()
    (fragment,) = pieces(evil_order())
    insider.carry(fragment)
    insider.forge(fragment)
    assert flight.until(lambda: "carried_refused" in alarms("air")), flight.logs()
    assert flight.until(lambda: "link_order_refused" in alarms("ground")), flight.logs()
    assert flight.air.running
    assert observer.program.running
    for number in range(50):
        insider.carry(*pieces(rubbish(number)))
        insider.forge(*pieces(rubbish(number)))
        flight.run(0.02)
    words = ("--agency", house.folder / "agency", "--hours", "1", "-o", house.folder / "new.order")
    zegel("order", "extend", house.order, *words)
    for content in pieces((house.folder / "new.order").read_bytes()):
        insider.carry(content)
        flight.run(0.05)
    assert flight.until(lambda: observer.says("goes on under order 2")), flight.logs()
    assert parse_order((house.folder / "drone-7/order").read_bytes()).serial == 2
    size = len(fragment)
    figure(f"an order fragment of {size} bytes, an x400Address in its certificate: an aircraft and a ground went on")
