"""When pictures are shown and decoded."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from gateway.video import rtp, ts_demux
from gateway.video.timeline import TOLERANCE, Timeline, decoded, ticks


@pytest.mark.parametrize("began", [0, rtp.TIMESTAMPS - 5000, 12345])
def test_timestamps_count_from_the_first_arrival_however_late_the_others_are(began):
    line, rng = Timeline(), random.Random(1)
    shown = [
        line.shown((began + 3600 * i) % rtp.TIMESTAMPS, 900 + 3600 * i + (rng.randrange(9000) if i else 0))
        for i in range(50)
    ]
    assert shown == [900 + 3600 * i for i in range(50)]
    assert line.restarts == 0


def test_timestamps_of_pictures_that_are_shown_before_the_one_in_front_of_them():
    line = Timeline()
    assert [line.shown(at, 7200 + at) for at in (7200, 21600, 14400, 10800, 18000)] == [14400, 28800, 21600, 18000, 25200]


def test_an_encoder_that_starts_again_and_a_pause_count_from_the_arrival():
    line = Timeline()
    assert line.shown(1000, 0) == 0
    assert line.shown(4600, 3600) == 3600
    assert line.shown(3_000_000_000, 7200) == 7200
    assert line.shown(3_000_003_600, 900_000) == 900_000
    assert line.shown(3_000_007_200, 903_700) == 903_600
    assert line.restarts == 2


def test_the_end_of_what_the_tolerance_allows():
    for late, restarts in ((TOLERANCE, 0), (TOLERANCE + 1, 1)):
        line = Timeline()
        line.shown(0, 0)
        line.shown(3600, 3600 + late)
        assert line.restarts == restarts


def test_the_stamps_of_mpeg_ts_have_33_bits():
    line = Timeline(ts_demux.STAMPS)
    line.shown(ts_demux.STAMPS - 100, 0)
    assert line.shown(3500, 3600) == 3600


def test_ticks():
    assert [ticks(ns) for ns in (0, 11_111, 11_112, 1_000_000_000, 3_600_000_000_000)] == [0, 0, 1, 90_000, 324_000_000]


def test_decoding_without_reordering_is_showing():
    assert list(decoded([5, 9, 20])) == [(5, 5), (9, 9), (20, 20)]
    assert list(decoded([])) == []


@pytest.mark.parametrize("seed", range(20))
def test_decoding_ticks_grow_and_no_picture_is_shown_before_it_is_decoded(seed):
    rng = random.Random(seed)
    shown = [3600 * place for place in range(200)]
    for at in range(0, 200, 8):
        part = shown[at : at + 8]
        rng.shuffle(part)
        shown[at : at + 8] = part
    if seed % 2:
        shown[50] = shown[49]  # two pictures of one time
    pairs = list(decoded(shown))
    assert [pair[1] for pair in pairs] == shown
    times = [pair[0] for pair in pairs]
    assert all(a < b for a, b in pairwise(times))
    if not seed % 2:
        assert times == sorted(shown)
