from __future__ import annotations

from gateway.core.air.freshness import Freshness


def nonce(number: int) -> bytes:
    return number.to_bytes(8, "big")


def test_a_beat_is_echoed_for_as_long_as_the_order_says_and_no_longer():
    fresh = Freshness(3.0)
    for number in range(10):
        fresh.beat(number + 1, nonce(number), number * 0.5)
    assert [fresh.echoed(nonce(n), 5.0) for n in range(10)] == [None] * 4 + [5, 6, 7, 8, 9, 10]
    assert fresh.echoed(nonce(9), 7.5) == 10
    assert fresh.echoed(nonce(9), 7.51) is None


def test_a_nonce_that_no_beat_had_is_no_echo():
    fresh = Freshness(3.0)
    assert fresh.echoed(nonce(1), 0.0) is None
    fresh.beat(1, nonce(1), 0.0)
    assert fresh.echoed(nonce(2), 0.0) is None
    assert fresh.echoed(nonce(1)[:7], 0.0) is None


def test_the_beats_bring_back_the_newest_challenge_of_each_station_for_ten_seconds():
    fresh = Freshness(3.0)
    fresh.challenge(2, b"older...", 0.0)
    fresh.challenge(1, b"station1", 1.0)
    fresh.challenge(2, b"newer...", 4.0)
    assert fresh.challenges(4.0) == {1: b"station1", 2: b"newer..."}
    assert fresh.challenges(11.0) == {1: b"station1", 2: b"newer..."}
    assert fresh.challenges(11.1) == {2: b"newer..."}
    assert fresh.challenges(14.1) == {}


def test_what_is_remembered_does_not_grow():
    fresh = Freshness(3.0)
    for number in range(10_000):
        fresh.beat(number, nonce(number), number * 0.5)
        fresh.challenge(number % 16, nonce(number), number * 0.5)
    assert len(fresh._beats) <= 7
    assert len(fresh._challenges) == 16
