from __future__ import annotations

from typing import Any

import pytest

from gateway.report import advice
from gateway.report.advice import READY, advise
from keys.grant import Profile
from keys.lanes import Role
from keys.order import OrderStation


def end(use: str, **more: Any) -> dict[str, Any]:
    names = ("rx_per_s", "late_per_s", "rx_bytes", "loss_percent")
    good = {"use": use, "endpoint": f"the-{use}", "state": "connected", "last_error": ""}
    return {**good, **dict.fromkeys(names, 0), "rx_per_s": 9.0, **more}


def air(**more: Any) -> dict[str, Any]:
    good = {
        "role": "air",
        "sealed": True,
        "uptime_s": 60.0,
        "frames": {"1/1": {}},
        "drops": {},
        "alarm_reasons": {},
        "kept_back": {},
        "late_per_s": 0,
        "unsaved": "",
    }
    return {**good, "endpoints": [end("fc"), end("link"), end("link", endpoint="other-link"), end("camera")], **more}


def ground(**more: Any) -> dict[str, Any]:
    sessions = [{"state": "open", "commands": READY}]
    good = {"role": "ground", "sealed": True, "uptime_s": 60.0, "sessions": sessions, "drops": {}, "commands": {"sent": 3}}
    good |= {"alarm_reasons": {}, "kept_back": {}, "unopened_per_s": 0.0}
    good |= {"misrouted": {}, "foreign": {}}
    return {**good, "endpoints": [end("link"), end("link", endpoint="other-link"), end("gcs"), end("player")], **more}


LOST = {"state": "reconnecting", "last_error": "it is gone: was it unplugged?", "rx_per_s": 0}
SILENT = {"rx_per_s": 0}
LIVE, KEPT = {"live": 1, "text": ""}, {"a": {"HEARTBEAT": 9, "REQUEST_X": 1}}


def test_nothing_is_wrong():
    assert advise(air()) == advise(ground()) == ""
    later = end("gcs", endpoint="udpout:127.0.0.1:14550", state="idle")
    assert advise(ground(endpoints=[end("link"), later])) == ""


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (air(endpoints=[end("fc"), end("link", **LOST)]), "no link is up: it is gone"),
        (air(endpoints=[end("fc", **LOST), end("link")]), "no flight controller: it is gone"),
        (air(endpoints=[end("fc", **SILENT), end("link")]), "nothing comes from the flight controller at the-fc"),
        (air(endpoints=[end("fc", rx_bytes=5000), end("link")], frames={}), "is the baud rate that"),
        (air(endpoints=[end("fc"), end("link", late_per_s=3)]), "lower the flight controller's stream rates"),
        (air(alarm_reasons={"user_kept_out": {"live": 1, "text": "a program of"}}), "a program of"),
        (ground(alarm_reasons={"user_kept_out": {"live": 1, "text": "a program of"}}), "a program of"),
        (air(late_per_s=12.5), "the link the-link is too slow for what it is given"),
        (air(endpoints=[end("fc"), end("link"), end("link", endpoint="b", **LOST)]), "the link b is down, the others"),
        (air(alarm_reasons={"order_over": {"live": 1, "text": "the order ended"}}), "the order ended: load a newer one"),
        (air(alarm_reasons={"order_over": {"live": 0, "text": ""}}, unsaved="x"), "x: free it"),
        (air(unsaved="x cannot be written: no space left on device"), "no space left on device: free it"),
        (air(drops={"oversize": 3}), "3 video datagrams were too large"),
        (air(drops={"stale_echo": 2}), "2 commands came too late"),
        (air(alarm_reasons={"guarded": LIVE}, kept_back=KEPT), "REQUEST_X from station 'a' is kept back"),
        (ground(alarm_reasons={"guarded_here": LIVE}, kept_back=KEPT), "the order must say another"),
        (ground(alarm_reasons={"not_routed": {"live": 1, "text": "kept back: X to system 0"}}), "kept back: X to system 0"),
        (
            ground(
                alarm_reasons={"system_twice": {"live": 0, "text": ""}, "revoked_heard": {"live": 1, "text": "revoked"}}
            ),
            "revoked",
        ),
        (ground(sealed=False, sessions=[{"state": "closed to us: it flies on"}]), "does not list this station"),
        (ground(sessions=[{"state": "open, order pending"}]), "under a newer order"),
        (ground(sessions=[{"state": "open, order expired"}]), "the order has ended"),
        (ground(commands={"observer": 4}), "may not command by the order"),
        (
            ground(commands={"sent": 1, "not_fresh": 4}, sessions=[{"state": "open", "commands": "no challenge"}]),
            "commands were refused: no challenge",
        ),
        (ground(endpoints=[end("link", **LOST), end("gcs")]), "no link is up: it is gone"),
        (ground(endpoints=[end("link", **SILENT)], sessions=[]), "does the aircraft's --link name this computer"),
        (ground(endpoints=[end("link", **SILENT)]), "the link is silent"),
        (ground(sealed=False, drops={"unknown_order": 4}, sessions=[]), "under another order"),
        (ground(sealed=False, drops={"older_session": 4}, sessions=[]), "an older session is refused"),
        (ground(sealed=False, sessions=[{"state": "delayed: its beats", "late_s": 4.25}]), "4.2 s later than before"),
        (ground(sealed=False, drops={"not_zegel": 4}, sessions=[]), "another program sends to this port"),
        (ground(sealed=False, sessions=[]), "no aircraft of this order"),
        (ground(sealed=False, sessions=[], unopened_per_s=0.5), "control of another operation, or forgeries"),
        (ground(sealed=False, sessions=[{"state": "silent"}], unopened_per_s=9.0), "load the right order"),
        (ground(sealed=False, sessions=[{"state": "beat verified, waiting for our keys"}]), "its keys for this station"),
        (ground(endpoints=[end("link"), end("link", endpoint="b", **LOST)]), "the link b is down, the others"),
        (ground(endpoints=[end("link", loss_percent=34.6)]), "the link the-link loses 35 %"),
        (ground(endpoints=[end("link"), end("gcs", state="idle")]), "no ground control station has come to the-gcs"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(status, line):
    assert line in advise(status)
    assert "\n" not in advise(status)


def test_a_heartbeat_that_is_kept_back_and_what_was_kept_back_long_ago_are_nothing_wrong():
    assert advise(ground(alarm_reasons={"guarded_here": LIVE}, kept_back={"a": {"HEARTBEAT": 9}})) == ""
    assert advise(ground(alarm_reasons={"guarded_here": {"live": 0, "text": ""}}, kept_back=KEPT)) == ""


def test_the_cause_is_told_before_its_effects():
    status = ground(endpoints=[end("link", **LOST), end("gcs", state="idle")], sealed=False, sessions=[])
    assert advise(status).startswith("no link is up")


def test_a_process_that_has_just_started_is_given_time():
    assert advise(ground(endpoints=[end("link", **SILENT)], sessions=[], uptime_s=1.0)) == ""
    assert advise(air(endpoints=[end("fc", **SILENT), end("link")], frames={}, uptime_s=1.0)) == ""


def test_forgeries_beside_an_aircraft_of_ours_are_not_advised_upon():
    assert advise(ground(unopened_per_s=5_000.0)) == ""
    assert "another operation" not in advise(ground(sealed=False, sessions=[], unopened_per_s=0.4))
    assert advise(ground(sealed=False, sessions=[], unopened_per_s=9.0, uptime_s=1.0)) == ""


def stations(*profiles: Profile) -> list[OrderStation]:
    return [OrderStation(i + 1, f"s{i}", p, b"", Role.TELEMETRY, "observer", None, None) for i, p in enumerate(profiles)]


def test_a_smaller_profile_is_advised_only_where_there_is_one():
    assert advice.too_large_for_link(18.0, stations(Profile.X_WING, Profile.X25519))
    assert not advice.too_large_for_link(9.0, stations(Profile.X_WING))
    assert not advice.too_large_for_link(18.0, stations(Profile.X25519))
