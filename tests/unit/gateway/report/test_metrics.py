"""Each series once, whatever roles run: by promtool too, where it is installed."""

from __future__ import annotations

import pytest

from gateway.report import metrics
from gateway.report.role_status import Status
from tests.system.test_metrics import check_by_promtool, samples
from tests.unit.gateway.report.statuses import air, ground, session

ALIKE = [session(session="aaaaaaaa" + "0" * 24), session(session="aaaaaaaa" + "1" * 24)]


@pytest.mark.parametrize(
    "running",
    [
        [ground(pid=1), ground(pid=2)],
        [ground(pid=1), ground(name="observer", pid=2), air(pid=3)],
        [ground(sessions=ALIKE)],
    ],
    ids=["two grounds of one name", "two grounds and an air", "two sessions that begin alike"],
)
def test_no_series_comes_twice(running: list[Status]):
    text = metrics.text(running)
    assert samples(text)  # fails if one comes twice
    check_by_promtool(text)


def test_two_roles_of_one_name_are_told_apart_by_their_process_and_others_are_not():
    assert 'name="pilot",pid="2"' in metrics.text([ground(pid=1), ground(pid=2)])
    assert "pid=" not in metrics.text([ground(pid=1), ground(name="observer", pid=2)])
