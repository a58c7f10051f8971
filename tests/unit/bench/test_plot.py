from __future__ import annotations

import pytest

from bench import plot


def test_the_axis_of_several_series_has_their_unit():
    assert plot.unit(("p50 (ms)", "p99 (ms)")) == "ms"


@pytest.mark.parametrize("names", [("p50 (ms)", "p99 (us)"), ("p50", "p99"), ("p50 (ms)", "p99")])
def test_series_without_a_common_unit_are_not_drawn(names):
    with pytest.raises(ValueError, match="unpack"):
        plot.unit(names)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.2, "0.2"), (12.5, "12.5"), (999, "999"), (1000, "1k"), (16_500, "16.5k"), (2e6, "2M")]
)
def test_a_tick_has_no_prefix_of_its_own_below_a_thousand(value, text):
    assert plot.tick(value) == text
