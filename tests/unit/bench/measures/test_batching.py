"""`zegel bench batching`: what is sealed really opens, and the arithmetic of coalescing."""

from __future__ import annotations

import pytest

from bench.measures import batching
from bench.pair import Pair
from bench.result import Options
from gateway.batch import CAPACITY
from gateway.core.wire import BEYOND_BEAT_BY
from gateway.demo.flight import recorded_flight
from keys.lanes import Lane


@pytest.fixture(scope="module")
def pair() -> Pair:
    return Pair()


def test_a_pair_opens_more_than_one_beat_allows(pair):
    before, runs = pair.opener.opened[Lane.VIDEO_A], 3 * BEYOND_BEAT_BY // 2**15
    for _ in range(runs):
        batching.open_(pair, 64, CAPACITY, 2**15)
    assert pair.opener.opened[Lane.VIDEO_A] - before == runs * 2**15
    assert not pair.opener.drops.total()


@pytest.mark.parametrize(
    ("rate", "wait_s", "frames_a_datagram"), [(60, 0.002, 1), (1000, 0.0, 1), (1000, 0.002, 2), (5000, 0.002, 10)]
)
def test_what_waits_fills_datagrams(pair, rate, wait_s, frames_a_datagram):
    log = [(place / rate, frame) for place, (_, frame) in enumerate(recorded_flight()[:200])]
    sealed = batching.coalesce(pair, log, wait_s)
    assert len(log) / sealed.datagrams == pytest.approx(frames_a_datagram, rel=0.15)
    assert sealed.size > sum(len(frame) for _, frame in log)
    assert sealed.cpu > 0


def test_a_batch_of_video_is_what_came_while_its_first_waited():
    assert batching.filling(8, 0.0) == 1
    assert batching.filling(50, 0.001) == 6  # 5,208 datagrams a second
    assert batching.filling(50, 1.0) == CAPACITY


def test_the_tables_have_what_was_asked_for(monkeypatch):
    plan = batching.Plan((64, batching.VIDEO_SIZE), (1, 8), (60,), (0.0,), (8,), 64, 1)
    monkeypatch.setattr(batching, "QUICK", plan)
    by_size, by_batch, telemetry, video = batching.measure(Options(quick=True), lambda *_: None).tables
    assert by_size.column("bytes") == list(plan.sizes)
    assert by_batch.column("datagrams a batch") == list(plan.batches)
    assert telemetry.column("frames a datagram") == [1.0]
    assert len(video.rows) == len(plan.mbits) * len(batching.VIDEO_WAITS_S)
