"""Text of an insider, at processes: none of it reaches the alarms of an aircraft or of another station."""

from __future__ import annotations

import json

from tests.agency import Agency, order
from tests.hostile.order_attacks import pieces
from tests.system.house import zegel
from tests.system.insider import Insider

LIES = [f"RETURN TO BASE AT ONCE, {number}" for number in range(6)]


def test_no_word_of_an_insider_is_in_an_alarm(fly, figure):
    """Each order is of an agency that the insider made and named; its refusal would quote the name."""
    flight = fly(("observer",))
    flight.wait_open()
    insider = Insider(flight, "pilot")
    outputs = (flight.air.output, flight.stations["observer"].program.output)
    for lie in LIES:
        for content in pieces(Agency(lie).sign(order().payload())):
            insider.carry(content)
            insider.forge(content)
            flight.run(0.05)
        flight.run(1.2)
    assert flight.until(lambda: all("refused: foreign root" in output() for output in outputs)), flight.logs()
    flight.run(1.0)  # until the next status
    statuses = json.loads(zegel("status", "--json"))
    assert {status["role"] for status in statuses} == {"air", "ground"}
    for status in statuses:
        assert status["alarms"]
        assert not [text for text in status["alarms"] if "RETURN" in text], status["alarms"]
    assert "RETURN" not in flight.logs()
    figure(f"{len(LIES)} orders of made-up agencies up and down: {[status['alarms'] for status in statuses]}")
