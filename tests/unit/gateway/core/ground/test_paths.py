from __future__ import annotations

import dataclasses
import gc

from gateway.core.ground.opened import Arrival
from gateway.core.ground.paths import PATHS_MAX, UP_FOR_S, BySession, Paths
from gateway.core.ground.session import Lease, Session
from keys.beat import Beat
from keys.keyring import ReceiveKey
from keys.lanes import Lane
from keys.statement import Statement

BEAT = Beat(bytes(32), 1, bytes(8), 0, {}, 0, {}, {}, 0, 0, 0, {})
KEY = ReceiveKey(bytes(32), 0x1A0)


def session(boot: int = 1) -> Session:
    return Session(Statement(bytes(32), 0, bytes(32), boot, 0), b"")


def arrival(of: Session, *ctrs: int, lane: Lane = Lane.TELEMETRY, epoch: int = 0) -> Arrival:
    return Arrival(Lease(of, lane, KEY, 1 << 28, epoch), range(len(ctrs)), ctrs)


def test_two_links_are_several_while_both_bring_it():
    paths, one = Paths(2), session()
    paths.hear(0, arrival(one, 0), ["a"], 0.0)
    assert not paths.several(one, 0.0)
    paths.hear(1, arrival(one, 0), ["a"], 0.5)
    assert paths.several(one, 0.5)
    paths.hear(0, arrival(one, 1), ["a"], 2.0)
    assert paths.several(one, 2.5)
    assert not paths.several(one, 0.6 + UP_FOR_S)
    paths.hear(1, arrival(one, 1), ["a"], 9.0)
    paths.hear(0, arrival(one, 2), ["a"], 9.0)
    assert paths.several(one, 9.0)


def test_two_senders_on_one_port_are_two_paths_and_two_aircraft_are_not():
    paths, one, two = Paths(1), session(1), session(2)
    paths.hear(0, arrival(one, 0), ["radio"], 0.0)
    paths.hear(0, arrival(two, 0), ["other aircraft"], 0.0)
    assert not paths.several(one, 0.0)
    paths.hear(0, arrival(one, 1), ["lte"], 0.0)
    assert paths.several(one, 0.0)
    assert not paths.several(two, 0.0)


def test_copies_from_invented_addresses_hold_no_memory():
    paths, one = Paths(1), session()
    for number in range(1000):
        paths.hear(0, arrival(one, 0), [number], 0.0)
    assert len(paths._heard.of(one)) == PATHS_MAX


def test_loss_is_counted_for_each_link_lane_and_epoch():
    paths, one = Paths(2), session()
    paths.hear(0, arrival(one, 10, 11, 14), ["a"], 0.0)
    paths.hear(0, arrival(one, 12, 19), ["a"], 0.0)
    paths.hear(0, arrival(one, 0, 3, lane=Lane.VIDEO_A), ["a"], 0.0)
    paths.hear(0, arrival(one, 0, 1, epoch=1), ["a"], 0.0)
    paths.hear(1, arrival(one, 10, 11, 12, 13), ["a"], 0.0)
    first, second = paths.receptions
    assert (first.expected, first.received, first.lost) == (10 + 4 + 2, 5 + 2 + 2, 7)
    assert (second.expected, second.received, second.lost) == (4, 4, 0)


def test_a_link_that_was_away_has_lost_what_was_sent_meanwhile():
    paths, one = Paths(1), session()
    paths.hear(0, arrival(one, *range(100)), ["a"], 0.0)
    paths.hear(0, arrival(one, 600), ["a"], 30.0)
    assert paths.receptions[0].lost == 500


def test_a_copy_twice_by_one_link_makes_no_negative_loss():
    paths, one = Paths(1), session()
    paths.hear(0, arrival(one, 0, 0, 1), ["a"], 0.0)
    assert paths.receptions[0].lost == 0


def test_what_is_known_of_a_session_leaves_with_it():
    paths, one = Paths(1), session()
    paths.hear(0, arrival(one, 0), ["a"], 0.0)
    del one
    assert not paths._heard._all
    assert not paths.receptions[0]._rows._all


def test_of_epochs_that_are_over_no_counters_are_kept():
    """Who has a device key turns epochs as often as they like."""
    paths, one = Paths(1), session()
    for epoch in range(1000):
        one.beat = dataclasses.replace(BEAT, epoch=epoch)
        for lane in (Lane.TELEMETRY, Lane.VIDEO_A):
            paths.hear(0, arrival(one, 3, 5, lane=lane, epoch=epoch), ["a"], 0.0)
            paths.hear(0, arrival(one, 6, lane=lane, epoch=max(0, epoch - 1)), ["a"], 0.0)
    (reception,) = paths.receptions
    assert len(reception._rows.of(one)) <= 2 * 3
    assert reception.received == 1000 * 2 * 3
    assert reception.lost == 2 * 999


def test_what_is_kept_for_a_session_goes_with_it_and_comes_back_for_no_other():
    kept: BySession[list[int]] = BySession(list)
    one, other = session(), session()
    kept.of(one).append(1)
    kept.of(other).append(2)
    assert (kept.of(one), kept.of(one), kept.of(other)) == ([1], [1], [2])
    del one, other
    gc.collect()
    assert not kept._all
    assert kept.of(session()) == []
