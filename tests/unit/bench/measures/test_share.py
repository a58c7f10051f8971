"""`zegel bench share`: what is said of its figures. The flight itself is in tests/system/test_bench.py."""

from __future__ import annotations

from bench.measures import share
from bench.measures.share import Heard

GOOD = Heard(player_p50=0.5, player_p99=1.0, reader_p50=1.25, reader_p99=3.0, cpu=3.0, missing=0)


def test_a_bound_that_is_not_kept_is_said_so():
    kept = share._told({1: GOOD, 8: GOOD})
    assert "NOT" not in kept.tables[0].notes[0]
    assert kept.verdict == "an RTSP reader gets a picture 0.75 ms after the player; eight readers cost 3.0 % of a core"
    slow, costly = GOOD._replace(reader_p50=2.6), GOOD._replace(cpu=26.0)
    assert "median: NOT kept" in share._told({1: slow, 8: GOOD}).tables[0].notes[0]
    assert "core: NOT kept" in share._told({1: GOOD, 8: costly}).tables[0].notes[0]
    assert kept.tables[0].rows[0] == (1, 0.5, 1.25, 0.75, 2.0, 3.0, 0)
