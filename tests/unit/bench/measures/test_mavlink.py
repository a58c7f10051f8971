"""`zegel bench mavlink`: the turn in memory is the aircraft's, and ratios are what they say."""

from __future__ import annotations

import pytest

from bench.air_turn import FRAMES, Turn
from bench.measures import mavlink
from bench.pair import arrived
from bench.repeater import Air, Fed, MavProxy, feed, wait_ready
from bench.result import Options
from gateway.batch import Batch
from gateway.demo.flight import recorded_flight
from gateway.loop.frame_reader import together

FLIGHT = [frame for _, frame in recorded_flight()[:FRAMES]]


def test_a_turn_seals_every_frame_for_both_kinds_of_readers():
    turn = Turn(FLIGHT)
    turn.pair.hear()
    sealed = turn.all()
    came = Batch()
    arrived(turn.batch, came)
    opened = turn.pair.opener.open(came, turn.pair.now)
    assert [bytes(frame) for frame in opened.frames] == FLIGHT
    assert sealed == turn.batch.count == 2 * turn.bundles.count


@pytest.mark.parametrize("name", Turn(FLIGHT).steps())
def test_every_step_can_be_repeated(name):
    turn = Turn(FLIGHT)
    assert turn.steps()[name]() > 0
    assert turn.steps()[name]() > 0
    assert turn.reader.resync_bytes == turn.serial_reader.resync_bytes == 0


def test_both_readers_find_the_same_frames():
    turn = Turn(FLIGHT)
    assert together(turn.reader.read(0.0)) == together(turn.serial_reader.read(0.0)) == FLIGHT


def test_only_runs_without_loss_count_as_the_best():
    runs = {
        (Air.name, 1000): [Fed(1000, 1000, 1.0, 0.01)],
        (Air.name, 9000): [Fed(9000, 8000, 1.0, 0.01)],
        (MavProxy.name, 1000): [Fed(1000, 1000, 1.0, 0.2)],
    }
    same_rate, best = mavlink._ratios(runs)
    assert mavlink._verdict(runs) == (
        "zegel air seals 1,000 frames a second without loss, and for the same CPU time 20 times as many as MAVProxy"
    )
    assert same_rate.startswith("at 1,000 frames/s: 20.0 times")
    assert "20.0 times" in best


def test_without_mavproxy_the_rest_is_measured_and_a_hint_installs_it(monkeypatch):
    monkeypatch.setattr(mavlink, "mavproxy", lambda: None)
    monkeypatch.setattr(mavlink, "QUICK", mavlink.Plan(1, 1, {Air.name: (500,)}, 0.2))
    result = mavlink.measure(Options(quick=True), lambda *_: None)
    steps, programs = result.tables
    assert steps.column("step")[-1] == mavlink.PARSER
    assert steps.column("times pymavlink")[-1] == 1.0
    assert programs.column("program") == [Air.name]
    assert any("pip install 'MAVProxy>=1.8'" in note for note in result.notes)


def test_the_real_air_passes_on_all_it_is_fed(tmp_path):
    air = Air(tmp_path)
    try:
        wait_ready(air, FLIGHT[0])
        fed = feed(air, FLIGHT, 500, 0.4)
    finally:
        air.close()
    assert fed.passed == fed.sent > 0
    assert fed.cpu > 0
