"""`zegel bench feed`, shortened: a real ground whose feed is read, not read, and subscribed to without being read."""

from __future__ import annotations

import pytest

from bench.measures import feed
from bench.measures.feed import ALONE, READ, STALLED
from bench.result import Options

pytestmark = [pytest.mark.soak, pytest.mark.alone]


def test_each_way_is_measured_and_nothing_is_lost_on_the_way_to_the_player(monkeypatch):
    monkeypatch.setattr(feed, "QUICK", (1, 1.0))
    seen: list[str] = []
    result = feed.measure(Options(quick=True), lambda _done, _of, what: seen.append(what))
    assert [what.split(", round")[0] for what in seen] == [ALONE, READ, STALLED]
    bounds, flown = result.tables
    assert flown.column("lost") == [0, 0, 0]
    assert len(bounds.rows) == 5
