from __future__ import annotations

import pytest

from gateway.report.advice import advise
from gateway.report.order_end import OrderEnd
from tests.unit.gateway.report.statuses import air, ground


def told(*left: float | None) -> list[str]:
    said: list[str] = []
    end = OrderEnd(said.append)
    for seconds in left:
        end.look(seconds)
    return [line.split(":")[0] for line in said]


def test_it_is_said_thirty_ten_and_two_minutes_before_and_once_each():
    assert told(*(float(left) for left in range(3600, -60, -1))) == [
        "the order ends in 30 minutes",
        "the order ends in 10 minutes",
        "the order ends in 2 minutes",
    ]


def test_a_start_shortly_before_the_end_is_told_once_with_what_is_left():
    assert told(541.0, 540.5) == ["the order ends in 10 minutes"]
    assert told(59.0) == ["the order ends in 1 minute"]
    assert told(0.0, -5.0, None) == []


def test_after_an_extension_it_begins_again():
    assert told(1800.0, 30_000.0, 1800.0) == ["the order ends in 30 minutes"] * 2
    assert told(100.0, 700.0, 100.0) == ["the order ends in 2 minutes"] * 2


@pytest.mark.parametrize("status", [air, ground])
def test_the_status_warns_in_the_last_half_hour(status):
    assert advise(status(order_left_s=None)) == advise(status(order_left_s=1801.0)) == ""
    assert advise(status(order_left_s=540.0)).startswith("the order ends in 9 minutes: ")


def test_the_status_of_a_station_says_that_the_order_is_over():
    assert advise(ground(order_left_s=-1.0)).startswith("the order has ended")
