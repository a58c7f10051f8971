"""Causes of what can be wrong, as data: what of a status differs from one with which all is well, and what is advised.

They are in the order in which they are advised: a cause before its effects. A place in a status is a key: of an endpoint,
"link.rx_per_s"; of the session at a ground, "session.state"; of what an aircraft says, "aircraft.fc"; of what is recorded
aboard, "recording.reason"; "alarm.order_over" is
the text of a live alarm; "drops.stale_echo" a rate; all others are keys of the status itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.core.refusal import Refusal
from gateway.core.session_state import SessionState
from gateway.endpoint_state import State
from gateway.report.role_status import AlarmStatus, SourceStatus, Status, Use
from keys.beat_flag import Flag
from tests.unit.gateway.report import statuses


class Cause(NamedTuple):
    name: str
    differs: Mapping[str, Any]
    advice: str  # a part of the sentence


def lost(place: str, error: str) -> dict[str, Any]:
    return {f"{place}.state": State.RECONNECTING, f"{place}.last_error": error, f"{place}.rx_per_s": 0.0}


NO_LINK = {**lost("link", "no route to 10.0.0.1"), **lost("other", "no route to 10.0.0.1")}
SILENT_LINKS = {"link.rx_per_s": 0.0, "other.rx_per_s": 0.0}
DEAF = {"sealed": False, "session.state": SessionState.SILENT}  # nothing of the aircraft is heard now
NO_FRAMES = {"aircraft.fc": SourceStatus(8.0)}

AIR: tuple[Cause, ...] = (
    Cause("no link is up", {**NO_LINK, "sealed": False}, "no link is up: no route"),
    Cause("kept out", {"alarm.user_kept_out": "a program of user 'eve' is kept out"}, "a program of user 'eve'"),
    Cause("flight controller unplugged", {**lost("fc", "ttyAMA0 is gone"), **NO_FRAMES}, "no flight controller: ttyAMA0"),
    Cause(
        "flight controller silent",
        {"fc.rx_per_s": 0.0, **NO_FRAMES},
        "nothing comes from the flight controller at the-fc: check the cable",
    ),
    Cause("wrong baud rate", {"fc.rx_per_s": 50.0, **NO_FRAMES}, "bytes come to the-fc, but no MAVLink: is the baud rate"),
    Cause("camera stopped", {"alarm.no_picture_aboard": "no picture for 8 s"}, "no picture for 8 s"),
    Cause(
        "card for recordings full",
        {"recording.reason": "card_full", "recording.text": "no space left"},
        "NOT RECORDING, card full: no space left: exchange the card",
    ),
    Cause(
        "order over",
        {"alarm.order_over": "the order ended", "order_left_s": -5.0},
        "the order ended: load a newer one, zegel device load-order, before the next flight",
    ),
    Cause("order ends", {"order_left_s": 500.0}, "get a newer one (zegel order extend)"),
    Cause("card full", {"unsaved": "air cannot be written: no space left"}, "no space left: make room there"),
    Cause("link too slow", {"late_per_s": 12.5, "link.state": State.CONNECTED}, "the link the-link is too slow for what"),
    Cause("queue of a link too slow", {"link.late_per_s": 3.0}, "the link the-link is too slow for what"),
    Cause(
        "flight controller waits",
        {"fc_waits_s": 7.4},
        "the link is too slow, and the flight controller has had to wait for 7 s",
    ),
    Cause("one link down", lost("other", "ttyUSB0 is gone"), "the link other-link is down, the others carry on: ttyUSB0"),
    Cause("video too large", {"drops.oversize": 30.5}, "30.5 video datagrams a second are too large for the link"),
    Cause("late commands", {"drops.stale_echo": 0.2}, "commands come too late and are refused"),
    Cause("guard policy", {"kept_back_per_s": {"a": {"REQUEST_X": 0.1}}}, "REQUEST_X from station 'a' is kept back"),
)

GROUND: tuple[Cause, ...] = (
    Cause("no link is up", {**NO_LINK, **DEAF}, "no link is up: no route"),
    Cause("kept out", {"alarm.user_kept_out": "a program of user 'eve' is kept out"}, "a program of user 'eve'"),
    Cause("aircraft gone", {**SILENT_LINKS, **DEAF}, "the link is silent: the aircraft is off"),
    Cause("nothing yet", {**SILENT_LINKS, "sealed": False, "session.none": True}, "does the aircraft's --link name this"),
    Cause("older session", {"drops.older_session": 2.0, "sealed": False}, "an older session is refused: a recording"),
    Cause(
        "delayed",
        {"sealed": False, "session.state": SessionState.DELAYED, "session.late_s": 4.25},
        "data comes 4.2 s later than before",
    ),
    Cause("another operation", {"drops.unopened_control": 2.0, **DEAF}, "control of another operation, or forgeries"),
    Cause("another program", {"drops.not_zegel": 9.0, **DEAF}, "the data on the link is not from zegel"),
    Cause("others alone", {**DEAF}, "datagrams come, but none from the aircraft that was heard"),
    Cause("no aircraft of ours", {"sealed": False, "session.none": True}, "but none from an aircraft of this order"),
    Cause("revoked", {"sealed": False, "session.state": SessionState.UNLISTED}, "does not list this station"),
    Cause(
        "older order aboard",
        {"session.state": SessionState.OPEN, "session.pending": True, "alarm.link_order_unfit": "it does not succeed"},
        "does not succeed this station's: load the one in force aboard",
    ),
    Cause(
        "newer order comes",
        {"session.state": SessionState.OPEN, "session.pending": True},
        "under a newer order, which comes by the link",
    ),
    Cause(
        "newer order not for us",
        {"sealed": False, "session.state": SessionState.BEATING, "session.pending": True},
        "under another order, and no keys for this station have come",
    ),
    Cause("keys awaited", {"sealed": False, "session.state": SessionState.BEATING}, "not yet its keys for this station"),
    Cause(
        "no flight controller aboard",
        {"alarm.no_fc_aboard": "no flight controller at 'x'", "sealed": True},
        "controller at 'x'",
    ),
    Cause("no picture aboard", {"alarm.no_picture": "no picture for 9 s: camera A", "sealed": True}, "no picture for 9 s"),
    Cause(
        "not recorded aboard",
        {"alarm.not_recorded_aboard": "'x' does not record all that it should: card full", "sealed": True},
        "'x' does not record all that it should",
    ),
    Cause("order ended", {"order_left_s": -5.0}, "the order has ended, the aircraft flies on under it"),
    Cause(
        "order expired aboard",
        {"session.state": SessionState.OPEN, "session.flags": int(Flag.ORDER_EXPIRED)},
        "the order has ended, the aircraft flies on under it",
    ),
    Cause("order ends", {"order_left_s": 500.0}, "get a newer one (zegel order extend)"),
    Cause(
        "observer commands",
        {"session.refusal": Refusal.OBSERVER, "alarm.may_not_command": "refused", "sealed": True},
        "this station may not command by the order",
    ),
    Cause("this computer stands still", {"commands_per_s": {"late": 1.0}, "sealed": True}, "had waited in this computer"),
    Cause(
        "no way up",
        {"session.refusal": Refusal.NOT_FRESH, "commands_per_s": {"sent": 1.0, "not_fresh": 1.0}, "sealed": True},
        "commands are refused: no challenge of ours was answered",
    ),
    Cause("one link down", lost("other", "ttyUSB0 is gone"), "the link other-link is down, the others carry on: ttyUSB0"),
    Cause(
        "small path MTU",
        {"link.carries_up_to": 1250, "link.loss_percent": 34.6},
        "the-link carries no datagram of more than 1250 bytes: set the encoder to 1200 bytes",
    ),
    Cause("lossy link", {"link.loss_percent": 34.6}, "the link the-link loses 35 %"),
    Cause("no ground control station", {"gcs.state": State.IDLE}, "no ground control station has come to the-gcs"),
    Cause("guard policy", {"kept_back_per_s": {"a": {"REQUEST_X": 0.1}}}, "REQUEST_X from station 'a' is kept back"),
    Cause("revoked aircraft", {"alarm.revoked_heard": "the revoked aircraft is heard"}, "the revoked aircraft is heard"),
    Cause("for no one aircraft", {"alarm.not_routed": "kept back: X to system 0"}, "kept back: X to system 0"),
)


def built(role: str, differs: Mapping[str, Any]) -> Status:
    """A status that differs from a good one in these places."""
    parts: dict[str, dict[str, Any]] = {}
    for place, value in differs.items():
        whose, _, key = place.rpartition(".")
        parts.setdefault(whose, {})[key] = value
    ends = [
        statuses.end(Use.LINK, **parts.pop("link", {})),
        statuses.end(Use.LINK, endpoint="other-link", **parts.pop("other", {})),
    ]
    alarms = {name: AlarmStatus(1, 1, text) for name, text in parts.pop("alarm", {}).items()}
    more = {"alarm_reasons": alarms, "drops_per_s": parts.pop("drops", {}), **parts.pop("", {})}
    record = statuses.recording(**parts.pop("recording", {}))
    session, aircraft = parts.pop("session", {}), statuses.aircraft(**parts.pop("aircraft", {}))
    if role == "air":
        ends.append(statuses.end(Use.FC, **parts.pop("fc", {})))
        made: Status = statuses.air(endpoints=ends, aircraft=aircraft, recording=record, **more)
    else:
        ends.append(statuses.end(Use.GCS, **parts.pop("gcs", {})))
        heard = [] if session.pop("none", False) else [statuses.session(**session)]
        made = statuses.ground(endpoints=ends, sessions=heard, **more)
    assert not parts, parts
    return made


def together(first: Cause, second: Cause) -> dict[str, Any] | None:
    """What differs if both hold; None if they cannot hold together."""
    if any(place in second.differs and second.differs[place] != value for place, value in first.differs.items()):
        return None
    both = {**first.differs, **second.differs}
    if "session.none" in both and any(place.startswith("session.") and place != "session.none" for place in both):
        return None
    return both
