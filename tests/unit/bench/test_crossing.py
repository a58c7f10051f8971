from __future__ import annotations

import pytest

from bench import crossing
from gateway.batch import CAPACITY


def test_the_data_path_runs_both_ways_in_batches_of_every_size():
    for few in (0, CAPACITY):
        path = crossing.Path(few)
        for count in crossing.COUNTS:
            assert path.seconds(count) > 0
        assert path._copy.count == CAPACITY
        assert path._copy.datagrams() == [bytes(crossing.SIZE)] * CAPACITY


@pytest.mark.parametrize(("loop_s", "reached"), [(0.125, 64), (1.0, 8), (3.0, 1), (9.0, 0)])
def test_the_crossing_is_where_the_loop_becomes_the_slower_one(monkeypatch, loop_s: float, reached: int):
    class Costs:
        """Eight seconds for each batch by NumPy, some for each datagram by the loop."""

        def __init__(self, few: int) -> None:
            self._few = few

        def seconds(self, count: int) -> float:
            return loop_s * count if self._few else 8.0

    monkeypatch.setattr(crossing, "Path", Costs)
    assert crossing.crossing(1, (1, 8, 9, 64)) == reached
