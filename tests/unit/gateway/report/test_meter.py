from __future__ import annotations

import pytest

from gateway.core.ground.opened import Arrival
from gateway.core.ground.paths import Reception
from gateway.core.ground.session import Lease, Session
from gateway.endpoints import open_endpoint, open_link
from gateway.endpoints.address import parse
from gateway.report.meter import OVER_S, RECENT_S, Ages, Meter, Rates, RatesBy
from gateway.report.role_status import Use
from keys.keyring import ReceiveKey
from keys.lanes import Lane
from keys.statement import Statement


@pytest.fixture
def link():
    return open_link(parse("udpin:127.0.0.1:14600"))


def test_rates_are_of_the_last_seconds_and_counters_of_all_time(link):
    meter = Meter({Use.FC: [open_endpoint(parse("udpin:127.0.0.1:14560"))], Use.LINK: [link]})
    link.counters.tx_datagrams = 1_000_000
    for step in range(41):
        fc, row = meter.read(step * 0.5)
        if step < 20:  # then it falls silent
            link.counters.tx_datagrams += 50
            link.counters.tx_bytes += 5_000
        if step == 10:
            assert (row.tx_per_s, row.tx_kbit, row.rx_per_s) == (100, 80, 0)
    assert (row.use, row.tx_per_s, row.tx_kbit) == (Use.LINK, 0, 0)
    assert row.tx_datagrams == 1_001_000
    assert (fc.use, fc.tx_per_s) == (Use.FC, 0)
    assert row.loss_percent is None


def test_loss_of_a_link_is_recent_in_percent_and_whole_in_count(link):
    reception, key = Reception(), ReceiveKey(bytes(32), 0x1A0)
    lease = Lease(Session(Statement(bytes(32), 0, bytes(32), 1, 0), b""), Lane.TELEMETRY, key, 1 << 28, 0)
    meter = Meter({Use.LINK: [link]}, [reception])
    meter.read(0.0)
    reception.count(Arrival(lease, range(3), [0, 1, 3]))
    (row,) = meter.read(0.5)
    assert (row.rx_lost_est, row.loss_percent) == (1, 25)
    reception.count(Arrival(lease, range(4), [4, 5, 6, 7]))
    (row,) = meter.read(0.5 + OVER_S)
    assert (row.rx_lost_est, row.loss_percent) == (1, 0)


def test_a_first_reading_has_no_rate(link):
    link.counters.rx_datagrams = 5
    (row,) = Meter({Use.LINK: [link]}).read(100.0)
    assert row.rx_per_s == 0


def test_a_recent_rate_is_that_of_what_has_grown_and_goes_with_time():
    rates, counts = Rates[str](), {"late": 1_000}
    assert rates.read(0.0, dict(counts)) == {}
    counts |= {"bad_tag": 1}  # one that was never counted before
    assert rates.read(RECENT_S / 2, dict(counts)) == {"bad_tag": 0.2}
    counts["late"] += 50
    assert rates.read(RECENT_S, dict(counts)) == {"bad_tag": 0.1, "late": 5.0}
    assert rates.read(2 * RECENT_S, dict(counts)) == {}


def test_the_rarest_event_has_a_rate():
    rates = Rates[str]()
    for step in range(int(2 * RECENT_S)):
        rates.read(step / 2, {})
    assert rates.read(RECENT_S, {"late": 1}) == {"late": 0.1}


def test_recent_rates_of_each_station():
    rates = RatesBy()
    assert rates.read(0.0, {"a": {"X": 5}}) == {}
    assert rates.read(1.0, {"a": {"X": 5, "Y": 2}, "b": {"X": 1}}) == {"a": {"Y": 2.0}, "b": {"X": 1.0}}


def test_an_age_is_the_time_since_a_counter_grew():
    ages = Ages()
    assert ages.read(0.0, {}) == {}
    assert ages.read(1.0, {"video_a": 0, "telemetry": 3}) == {"telemetry": 0.0}
    assert ages.read(2.5, {"video_a": 1, "telemetry": 3}) == {"telemetry": 1.5, "video_a": 0.0}
    assert ages.read(3.0, {"video_a": 2, "telemetry": 3}) == {"telemetry": 2.0, "video_a": 0.0}
