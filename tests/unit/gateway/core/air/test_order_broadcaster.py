"""What of an order goes out when, and when that ends. The order is of paper: its content is not looked at here."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from gateway.core.air.announcer import START_ROUNDS
from gateway.core.air.order_broadcaster import IDLE_EVERY_S, ORDER_SHARE, OrderBroadcaster
from gateway.core.wire import Evidence
from keys.lanes import Lane
from tests.memory_link import LANES, World
from tests.unit.gateway.core.test_order_fragments import FRAGMENTS, ORDER

BPS = 8_000_000
NARROW_BPS = 57_600


def broadcaster(lane: Lane = Lane.ORDER, link_bps: int = BPS, begin: float = 0.0) -> OrderBroadcaster:
    aircraft = World(1).aircraft(link_bps=link_bps, lanes=(*LANES, Lane.ORDER))
    return OrderBroadcaster(aircraft.announcer, ORDER, lane, begin)


def sent(carrier: OrderBroadcaster, until: float, begin: float = 0.0) -> list[tuple[float, bytes]]:
    """What goes out, with its time, if it is asked whenever it is due."""
    out, now = [], begin
    while (now := max(now, carrier.next_due())) <= until:
        out += [(now, datagram) for datagram in carrier.datagrams(now)]
    return out


def test_ahead_it_goes_out_once_if_no_station_answers():
    carrier = broadcaster(Lane.EVIDENCE)
    assert len(sent(carrier, 100)) == len(FRAGMENTS)
    assert carrier.done
    assert carrier.rounds == 1
    assert carrier.next_due() == float("inf")


def test_ahead_it_is_repeated_until_each_station_that_was_heard_recently_has_it():
    aircraft = World(1).aircraft()
    freshness = aircraft.announcer.freshness
    for station, heard in ((1, -1.0), (2, -9.0)):
        freshness.challenge(station, bytes(8), heard)
    carrier = OrderBroadcaster(aircraft.announcer, ORDER, Lane.EVIDENCE, 0.0)
    assert len(sent(carrier, 0.9)) >= 2 * len(FRAGMENTS)
    carrier.arrived(1)
    assert not carrier.done
    assert sent(carrier, 1.1, 0.9)
    assert carrier.done, "the other one was heard ten seconds ago"
    freshness.challenge(2, bytes(8), 1.2)
    assert carrier.datagrams(1.3), "and has come back"
    carrier.arrived(2)
    assert carrier.done


def test_in_the_order_lane_it_is_repeated_for_a_minute_and_then_rarely():
    begins = [now for now, _ in sent(broadcaster(), 200)][:: len(FRAGMENTS)]
    early = [now for now in begins if now < 60]
    assert early[START_ROUNDS - 1] < 2.0, "the first rounds are fast, as fast as its share of the link lets them be"
    later = early[START_ROUNDS - 1 :]
    assert [b - a for a, b in itertools.pairwise(later)] == pytest.approx([2.0] * (len(later) - 1), abs=0.2)
    assert [late - early[-1] for late in begins[len(early) : len(early) + 1]] == pytest.approx([2.0], abs=0.2)
    assert begins[-1] - begins[-2] == pytest.approx(IDLE_EVERY_S)


def test_nothing_before_it_begins():
    carrier = broadcaster(begin=7.0)
    assert carrier.datagrams(6.9) == []
    assert carrier.next_due() == 7.0


def test_it_ends_when_each_station_has_challenged():
    carrier = broadcaster()
    carrier.arrived(2)
    assert not carrier.done
    carrier.arrived(2)
    carrier.arrived(1)
    assert carrier.done
    assert carrier.datagrams(50.0) == []


def test_it_ends_with_the_session():
    aircraft = World(1).aircraft(lanes=(*LANES, Lane.ORDER))
    carrier = OrderBroadcaster(aircraft.announcer, ORDER, Lane.ORDER, 0.0)
    aircraft.announcer.close(0.0)
    assert carrier.done


@pytest.mark.parametrize("link_bps", [NARROW_BPS, BPS])
def test_its_share_of_the_link_is_kept(link_bps):
    datagrams = sent(broadcaster(link_bps=link_bps), 120)
    size = sum(len(datagram) for _, datagram in datagrams)
    assert size * 8 / 120 <= link_bps * ORDER_SHARE * 1.05


def test_a_station_that_asks_late_gets_no_flood():
    carrier = broadcaster(link_bps=NARROW_BPS)
    assert len(carrier.datagrams(1000.0)) <= 2


def test_a_round_carries_each_fragment_once_to_the_holders_of_the_key():
    world = World(1)
    world.order = dataclasses.replace(world.order)
    aircraft, station = world.aircraft(lanes=(*LANES, Lane.ORDER)), world.station()
    heard = []
    station.listener.order_fragment = lambda _, content: heard.append(content)
    station.receive(aircraft.control(0.0), 0.0)
    carrier = OrderBroadcaster(aircraft.announcer, ORDER, Lane.EVIDENCE, 0.0)
    station.receive([datagram for _, datagram in sent(carrier, 10)], 0.1)
    lane5 = OrderBroadcaster(aircraft.announcer, ORDER, Lane.ORDER, 0.0)
    station.receive([datagram for _, datagram in sent(lane5, 1.9)], 0.1)
    assert heard == FRAGMENTS * (1 + lane5.rounds)
    assert lane5.rounds == START_ROUNDS
    assert Evidence.ORDER_FRAGMENT == 4
