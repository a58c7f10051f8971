"""Statuses of roles with which all is well, and with whatever a test changes."""

from __future__ import annotations

import dataclasses
from typing import Any

from gateway.core.session_state import SessionState
from gateway.endpoint_state import State
from gateway.endpoints.endpoint import Counters
from gateway.report.role_status import (
    AircraftStatus,
    AirStatus,
    AlarmStatus,
    ComponentStatus,
    EndpointStatus,
    FeedStatus,
    GroundStatus,
    RecordingStatus,
    SessionStatus,
    SourceStatus,
    StationCommands,
    Use,
)

LOST = {"state": State.RECONNECTING, "last_error": "it is gone: was it unplugged?", "rx_per_s": 0}
SILENT = {"rx_per_s": 0}
LIVE, OVER = AlarmStatus(1, 1, "an alarm"), AlarmStatus(1, 0, "")
KEPT = {"a": {"HEARTBEAT": 9, "REQUEST_X": 1}}


def end(use: Use, **more: Any) -> EndpointStatus:
    good = {"endpoint": f"the-{use}", "listens": use is not Use.PLAYER, "state": State.CONNECTED, "last_error": ""}
    rates = dict.fromkeys(("tx_per_s", "rx_kbit", "tx_kbit", "late_per_s"), 0.0)
    counters = dataclasses.asdict(Counters())
    return EndpointStatus(**{"use": use, "clients": [], **good, **counters, **rates, "rx_per_s": 9.0, **more})


def aircraft(**more: Any) -> AircraftStatus:
    good: dict[str, Any] = {"fc": SourceStatus(0.1), "cameras": {"A": SourceStatus(0.0)}, "card_fails": False}
    return AircraftStatus(**{**good, "links_down": 0, "no_room_per_s": 0, **more})


def recording(**more: Any) -> RecordingStatus:
    good: dict[str, Any] = {"key": True, "groups": ["flight", "video_a"], "since": 1_790_000_000, "room_s": 7200}
    return RecordingStatus(**{**good, "reason": None, "paused_by": None, **more})


def session(state: SessionState = SessionState.OPEN, **more: Any) -> SessionStatus:
    good = {"session": 32 * "a", "device": "drone-7", "systems": [1], "boot_counter": 5, "pending": False, "refusal": None}
    good |= {"epoch": 0, "beat_age_s": 0.2, "late_s": 0.0, "proved": True, "clock_agrees": True, "flags": 0, "age_s": 60.0}
    good |= {"vendor_has_picture": False, "open_for_s": 50.0, "order": 7, "order_change_ahead": False}
    good |= {"commanded_age_s": None, "heard": ["pilot"], "key_age_s": 50.0, "next_key_s": None}
    good |= {"aircraft": aircraft(), "recording": recording()}
    return SessionStatus(**{**good, "state": state, **more})


COMMON: dict[str, Any] = {
    "operation": "Night Watch",
    "order": 7,
    "order_ends": 1_800_000_000,
    "order_left_s": 7200.0,
    "sealed": True,
    "roles": {"pilot": ["telemetry", "video", "command"], "observer": ["telemetry", "video"]},
    "uptime_s": 60.0,
    "frames": {"1/1": ComponentStatus(20, 1)},
    "kept_back": {},
    "kept_back_per_s": {},
    "drops": {},
    "drops_per_s": {},
    "unexpected": {},
    "alarms": [],
    "alarm_reasons": {},
    "memory_locked": True,
    "data_path": "C",
}


def air(**more: Any) -> AirStatus:
    good = {
        "name": "drone-7",
        "session": 32 * "a",
        "boot_counter": 5,
        "epoch": 0,
        "phase": "steady",
        "lanes": {"video_a": 3},
    }
    good |= {
        "late_per_s": 0.0,
        "fc_waits_s": 0.0,
        "seen_by": [],
        "aircraft": aircraft(),
        "recording": recording(),
        "commands": {"pilot": StationCommands(3, 0)},
        "kept_aboard": {},
        "unsaved": "",
    }
    ends = [end(Use.FC), end(Use.LINK), end(Use.LINK, endpoint="other-link"), end(Use.CAMERA)]
    return AirStatus(**{**COMMON, **good, "endpoints": ends, **more})


def ground(**more: Any) -> GroundStatus:
    good: dict[str, Any] = {
        "name": "pilot",
        "agency": "Harbour Police",
        "classification": "regular",
        "sessions": [session()],
        "opened": {"telemetry": 2, "video_a": 3},
        "opened_age_s": {"telemetry": 0.0, "video_a": 0.0},
        "reordered": 0,
        "feed": feed(),
        "feed_tcp": None,
    }
    good |= {"commands": {"sent": 3}, "commands_per_s": {}, "misrouted": {}, "foreign": {}}
    links = [end(Use.LINK, loss_percent=0.0), end(Use.LINK, endpoint="other-link", loss_percent=0.0)]
    return GroundStatus(**{**COMMON, **good, "endpoints": [*links, end(Use.GCS), end(Use.PLAYER)], **more})


def feed(**more: Any) -> FeedStatus:
    return FeedStatus(**{"address": "ipc:///run/zegel/view/ground-pilot.feed.1", "state": State.IDLE, **more})
