from __future__ import annotations

import pytest

from gateway.core.refusal import Refusal
from gateway.core.session_state import SessionState
from gateway.endpoint_state import State
from gateway.report.advice import advise, in_one_line
from gateway.report.role_status import AlarmStatus, Status, Use
from keys.beat_flag import Flag
from tests.unit.gateway.report.statuses import KEPT, LIVE, LOST, OVER, SILENT, air, end, ground, session

FC, LINK, GCS = end(Use.FC), end(Use.LINK), end(Use.GCS)
LOST_LINK, SILENT_LINK = end(Use.LINK, **LOST), end(Use.LINK, **SILENT)


def test_nothing_is_wrong():
    assert advise(air()) == advise(ground()) == ""
    later = end(Use.GCS, listens=False, state=State.IDLE)
    assert advise(ground(endpoints=[LINK, later])) == ""


WRONG: list[tuple[Status, str]] = [
    (air(endpoints=[FC, LOST_LINK]), "no link is up: it is gone"),
    (air(endpoints=[end(Use.FC, **LOST), LINK]), "no flight controller: it is gone"),
    (air(endpoints=[end(Use.FC, **SILENT), LINK]), "nothing comes from the flight controller at the-fc"),
    (air(endpoints=[end(Use.FC, rx_bytes=5000), LINK], frames={}), "is the baud rate that"),
    (air(endpoints=[FC, end(Use.LINK, late_per_s=3.0)]), "lower the flight controller's stream rates"),
    (air(alarm_reasons={"user_kept_out": AlarmStatus(1, 1, "a program of")}), "a program of"),
    (ground(alarm_reasons={"user_kept_out": AlarmStatus(1, 1, "a program of")}), "a program of"),
    (air(late_per_s=12.5), "the link the-link is too slow for what it is given"),
    (air(endpoints=[FC, LINK, end(Use.LINK, endpoint="b", **LOST)]), "the link b is down, the others"),
    (air(alarm_reasons={"order_over": AlarmStatus(1, 1, "the order ended")}), "the order ended: load a newer one"),
    (air(alarm_reasons={"order_over": OVER}, unsaved="x"), "x: free it"),
    (air(unsaved="x cannot be written: no space left on device"), "no space left on device: free it"),
    (air(drops={"oversize": 3}, alarm_reasons={"video_oversize": LIVE}), "3 video datagrams were too large"),
    (air(drops={"stale_echo": 2}), "2 commands came too late"),
    (air(alarm_reasons={"guarded": LIVE}, kept_back=KEPT), "REQUEST_X from station 'a' is kept back"),
    (ground(alarm_reasons={"guarded_here": LIVE}, kept_back=KEPT), "the order must name another policy"),
    (
        ground(alarm_reasons={"not_routed": AlarmStatus(1, 1, "kept back: X to system 0")}),
        "kept back: X to system 0",
    ),
    (ground(alarm_reasons={"system_twice": OVER, "revoked_heard": AlarmStatus(1, 1, "revoked")}), "revoked"),
    (ground(sealed=False, sessions=[session(SessionState.UNLISTED)]), "does not list this station"),
    (ground(sessions=[session(pending=True)]), "under a newer order"),
    (ground(sealed=False, sessions=[session(SessionState.BEATING, pending=True)]), "under a newer order"),
    (ground(sessions=[session(flags=int(Flag.ORDER_EXPIRED))]), "the order has ended"),
    (ground(commands={"observer": 4}), "may not command by the order"),
    (
        ground(commands={"sent": 1, "not_fresh": 4}, sessions=[session(refusal=Refusal.NOT_FRESH)]),
        "commands were refused: no challenge",
    ),
    (ground(endpoints=[LOST_LINK, GCS]), "no link is up: it is gone"),
    (ground(endpoints=[SILENT_LINK], sessions=[]), "does the aircraft's --link name this computer"),
    (ground(endpoints=[SILENT_LINK]), "the link is silent"),
    (ground(sealed=False, drops={"unknown_order": 4}, sessions=[]), "under another order"),
    (ground(sealed=False, drops={"older_session": 4}, sessions=[]), "an older session is refused"),
    (ground(sealed=False, sessions=[session(SessionState.DELAYED, late_s=4.25)]), "4.2 s later than before"),
    (ground(sealed=False, drops={"not_zegel": 4}, sessions=[]), "another program sends to this port"),
    (ground(sealed=False, sessions=[]), "none from an aircraft of this order"),
    (ground(sealed=False, sessions=[], unopened_per_s=0.5), "control of another operation, or forgeries"),
    (ground(sealed=False, sessions=[session(SessionState.SILENT)], unopened_per_s=9.0), "load the right order"),
    (ground(sealed=False, sessions=[session(SessionState.CLOSED)], unopened_per_s=9.0), "load the right order"),
    (ground(sealed=False, sessions=[session(SessionState.BEATING)]), "its keys for this station"),
    (ground(endpoints=[LINK, end(Use.LINK, endpoint="b", **LOST)]), "the link b is down, the others"),
    (ground(endpoints=[end(Use.LINK, loss_percent=34.6)]), "the link the-link loses 35 %"),
    (ground(endpoints=[LINK, end(Use.GCS, state=State.IDLE)]), "no ground control station has come to the-gcs"),
]


@pytest.mark.parametrize(("status", "line"), WRONG)
def test_what_is_wrong_is_said_in_one_line(status: Status, line: str):
    assert line in advise(status)
    assert "\n" not in advise(status)


def test_a_heartbeat_that_is_kept_back_and_what_was_kept_back_long_ago_are_nothing_wrong():
    assert advise(ground(alarm_reasons={"guarded_here": LIVE}, kept_back={"a": {"HEARTBEAT": 9}})) == ""
    assert advise(ground(alarm_reasons={"guarded_here": OVER}, kept_back=KEPT)) == ""


def test_video_that_was_too_large_long_ago_is_nothing_wrong():
    assert advise(air(drops={"oversize": 3}, alarm_reasons={"video_oversize": OVER})) == ""


def test_the_cause_is_told_before_its_effects():
    status = ground(endpoints=[LOST_LINK, end(Use.GCS, state=State.IDLE)], sealed=False, sessions=[])
    assert advise(status).startswith("no link is up")


def test_a_process_that_has_just_started_is_given_time():
    assert advise(ground(endpoints=[SILENT_LINK], sessions=[], uptime_s=1.0)) == ""
    assert advise(air(endpoints=[end(Use.FC, **SILENT), LINK], frames={}, uptime_s=1.0)) == ""


def test_forgeries_beside_an_aircraft_of_ours_are_not_advised_upon():
    assert advise(ground(unopened_per_s=5_000.0)) == ""
    assert "another operation" not in advise(ground(sealed=False, sessions=[], unopened_per_s=0.4))
    assert advise(ground(sealed=False, sessions=[], unopened_per_s=9.0, uptime_s=1.0)) == ""


def test_the_service_manager_is_told_how_it_is_and_what_is_wrong():
    assert in_one_line(air()) == "sealed"
    assert in_one_line(air(sealed=False, endpoints=[FC, LOST_LINK])).startswith(
        "no link: nothing is sent; no link is up: it"
    )
    assert in_one_line(ground()) == "open"
    assert in_one_line(ground(sealed=False, endpoints=[SILENT_LINK])).startswith("nothing to open; the link is silent")
