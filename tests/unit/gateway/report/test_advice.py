from __future__ import annotations

import itertools
from typing import Any

import pytest

from gateway.core.drop_reason import DropReason
from gateway.core.refusal import Refusal
from gateway.core.session_state import SessionState
from gateway.endpoint_state import State
from gateway.report import advice
from gateway.report.advice import advise, in_one_line
from gateway.report.alarms import Reason
from gateway.report.role_status import SourceStatus, Use
from tests.unit.gateway.board.test_cures import ENDS, HARMS
from tests.unit.gateway.report.causes import AIR, GROUND, Cause, built, together
from tests.unit.gateway.report.statuses import KEPT, LOST, OVER, SILENT, air, aircraft, end, ground, session

FC, LINK = end(Use.FC), end(Use.LINK)
LOST_LINK, SILENT_LINK = end(Use.LINK, **LOST), end(Use.LINK, **SILENT)
SILENT_FC = aircraft(fc=SourceStatus(None))


def test_nothing_is_wrong():
    assert advise(air()) == advise(ground()) == ""
    later = end(Use.GCS, listens=False, state=State.IDLE)
    assert advise(ground(endpoints=[LINK, later])) == ""


ROLES = {"air": AIR, "ground": GROUND}
ROWS = [(role, cause) for role, causes in ROLES.items() for cause in causes]
PAIRS = [(role, *pair) for role, causes in ROLES.items() for pair in itertools.combinations(causes, 2)]
PAIRS_MIN = 350  # that can hold together


@pytest.mark.parametrize(("role", "cause"), ROWS, ids=[f"{role}: {cause.name}" for role, cause in ROWS])
def test_each_cause_is_told_in_one_line(role: str, cause: Cause):
    line = advise(built(role, cause.differs))
    assert cause.advice in line
    assert "\n" not in line


def test_of_two_causes_the_one_that_stands_first_is_told():
    """Each cause with each neighbour: what another one adds to the status changes no advice that comes before it."""
    wrong, tried = [], 0
    for role, first, second in PAIRS:
        if (both := together(first, second)) is not None:
            tried += 1
            line = advise(built(role, both))
            if first.advice not in line:
                wrong.append((role, first.name, second.name, line))
    assert wrong == []
    assert tried > PAIRS_MIN


def test_a_cause_that_is_over_is_told_no_more():
    """What remains of it are counters since the start and alarms that are not live."""
    names = [*DropReason, "link_full", "link_down"]
    left: dict[str, Any] = {"drops": dict.fromkeys(names, 900), "kept_back": KEPT}
    left["alarm_reasons"] = {reason.label: OVER for reason in Reason}
    assert advise(air(**left)) == ""
    assert advise(ground(**left, commands=dict.fromkeys((*Refusal, "late", "sent", "guarded"), 900))) == ""


def test_no_advice_ends_or_restarts_what_works():
    lines = [advise(built(role, cause.differs)) for role, cause in ROWS]
    soon = [line.partition("after the flight")[0] for line in lines]
    assert not [line for line in soon if HARMS.search(line) or ENDS.search(line)]


def test_a_heartbeat_that_is_kept_back_is_nothing_wrong():
    assert advise(ground(kept_back_per_s={"a": {"HEARTBEAT": 1.0}})) == ""


def test_the_cause_is_told_before_its_effects():
    status = ground(endpoints=[end(Use.LINK, **LOST), end(Use.GCS, state=State.IDLE)], sealed=False, sessions=[])
    assert advise(status).startswith("no link is up")


def test_a_process_that_has_just_started_is_given_time():
    assert advise(ground(endpoints=[SILENT_LINK], sessions=[], uptime_s=1.0)) == ""
    assert advise(air(endpoints=[end(Use.FC, **SILENT), LINK], aircraft=SILENT_FC, uptime_s=1.0)) == ""


def test_forgeries_while_an_aircraft_of_ours_is_heard_are_not_advised_upon():
    forged = {"drops_per_s": {"unopened_control": 5_000.0, "not_zegel": 5_000.0}}
    assert advise(ground(**forged)) == ""
    few = {"drops_per_s": {"unopened_control": 0.2}}
    assert "another operation" not in advise(ground(sealed=False, sessions=[], **few))
    assert advise(ground(sealed=False, sessions=[], drops_per_s={"unopened_control": 9.0}, uptime_s=1.0)) == ""


@pytest.mark.parametrize("state", [state for state in SessionState if state not in advice.HEARD])
def test_a_session_that_does_not_beat_hides_no_other_operation(state: SessionState):
    """Also one that stated itself and never beat: its aircraft has gone over to the other operation."""
    status = ground(sealed=False, sessions=[session(state)], drops_per_s={"unopened_control": 2.0})
    assert "control of another operation" in advise(status)
    pending = ground(sealed=False, sessions=[session(state, pending=True)], drops_per_s={"unopened_control": 2.0})
    assert advise(pending) == advise(status)


def test_a_flight_controller_that_waits_is_not_silent():
    """Nothing is read from it meanwhile, and gateway/air/role.py counts it as heard."""
    ends = [end(Use.FC, **SILENT), end(Use.LINK)]
    assert advise(air(endpoints=ends, fc_waits_s=12.0)).startswith("the link is too slow, and the flight controller")
    assert advise(air(endpoints=ends, fc_waits_s=1.0)) == ""


def test_the_service_manager_is_told_how_it_is_and_what_is_wrong():
    assert in_one_line(air()) == "sealed"
    assert in_one_line(air(sealed=False, endpoints=[FC, LOST_LINK])).startswith(
        "no link: nothing is sent; no link is up: it"
    )
    assert in_one_line(ground()) == "open"
    silent = ground(sealed=False, endpoints=[SILENT_LINK], sessions=[session(SessionState.SILENT)])
    assert in_one_line(silent).startswith("nothing to open; the link is silent")
