from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.refusal import Refusal
from gateway.core.session_state import SessionState
from gateway.report.role_status import Status, Use, decoded, encoded
from tests.unit.gateway.report.statuses import KEPT, LIVE, LOST, air, end, feed, ground, session

STATUSES = [
    air(name="\udcff", drops={"late": 1}, kept_back=KEPT, alarm_reasons={"guarded": LIVE}, endpoints=[end(Use.FC, **LOST)]),
    ground(feed=feed(subscriptions={"telemetry": 2}), foreign={"drone-7": {"others": 3}}),
    *(ground(sessions=[session(state, epoch=None, beat_age_s=None, clock_agrees=None)]) for state in SessionState),
    *(ground(sessions=[session(refusal=refusal)]) for refusal in Refusal),
]


@pytest.mark.parametrize("status", STATUSES, ids=range(len(STATUSES)))
def test_a_status_comes_back_from_json_as_it_was(status: Status):
    assert decoded(json.loads(json.dumps(encoded(status)))) == status


def test_only_a_link_of_a_ground_has_losses_in_json():
    link, gcs = encoded(ground(endpoints=[end(Use.LINK, loss_percent=0.0), end(Use.GCS)]))["endpoints"]
    assert (link["loss_percent"], "loss_percent" in gcs, "rx_expected" in gcs) == (0.0, False, False)


@pytest.mark.parametrize(
    "change",
    [
        {"role": "other"},
        {"role": "\udcff"},
        {"role": 1},
        {"endpoints": [{}]},
        {"endpoints": [encoded(air())["endpoints"][0] | {"use": "\udcff"}]},
        {"endpoints": [encoded(air())["endpoints"][0] | {"state": "connected, or so"}]},
        {"drops": {"late": "many"}},
        {"name": None},
    ],
    ids=range(8),
)
def test_what_is_no_status_of_this_version_is_none(change: dict[str, Any]):
    assert decoded(encoded(air()))
    assert decoded({**encoded(air()), **change}) is None


@pytest.mark.parametrize("name", sorted(encoded(air()).keys() - {"pid", "memory_locked"}))
def test_a_status_that_lacks_something_is_none(name: str):
    assert decoded({key: value for key, value in encoded(air()).items() if key != name}) is None


def test_what_a_newer_version_says_besides_is_left_out():
    assert decoded({**encoded(air()), "wind": 12}) == air()
