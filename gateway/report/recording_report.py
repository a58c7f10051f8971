"""Recording report: what is recorded aboard, as it appears in the status and in words, aboard and at a station."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.core.aircraft_state import LITTLE_ROOM_S, NOTHING_WRITTEN, AircraftState
from gateway.recording.group import Group
from gateway.recording.reason import GapReason
from gateway.report.role_status import RecordingStatus, Why
from keys.times import duration, moment

NO_KEY = RecordingStatus(key=False, groups=[], since=None, room_s=None, reason=None, paused_by=None)
NOTHING_RECORDED = "nothing is recorded: the order has no recording key"
NAMES = {
    Group.FLIGHT: "telemetry",
    Group.VIDEO_A: "video A",
    Group.VIDEO_B: "video B",
    Group.CAMERA_C: "camera C",
    Group.CAMERA_D: "camera D",
}
PICTURES_FIRST = (*[group for group in Group if group is not Group.FLIGHT], Group.FLIGHT)
LABELS: dict[GapReason, Why] = {
    GapReason.CARD_FULL: "card_full",
    GapReason.CARD_SLOW: "card_slow",
    GapReason.CARD_FAILED: "card_failed",
    GapReason.RECORDER_RESTARTED: "recorder_restarted",
    GapReason.NOT_ASKED_FOR: "not_asked_for",
    GapReason.PAUSED: "paused",
}
WHY: dict[Why, str] = {
    "card_full": "card full",
    "card_slow": "card slow",
    "card_failed": "card failed",
    "recorder_restarted": "no recorder",
    "not_asked_for": "not asked for",
    "paused": "paused",
}
CURES: dict[Why, str] = {
    "card_full": "exchange the card, or make room on it after the flight",
    "card_slow": "a faster card is needed; zegel doctor measures it",
    "card_failed": "see after the flight whether the card is there and can be written",
    "recorder_restarted": "zegel doctor says why it does not run",
}
NEVER_WRITTEN = "zegel doctor says what to do; a zegel air that is started by hand records elsewhere by --record DIR"


def report(state: AircraftState, stations: Mapping[int, str], at: float, since_s: float = 0.0) -> RecordingStatus | None:
    """None if it is not known. `stations`: names by index; `at`: Unix time now; `since_s`: how long ago it was said."""
    if state.recorded is None:
        return None
    since = None if state.recorded_ms is None else round(at - since_s - state.recorded_ms / 1000)
    paused_by = None if state.paused_by is None else stations.get(state.paused_by, f"station {state.paused_by}")
    return RecordingStatus(
        key=True,
        groups=[group.name.lower() for group in Group if state.recorded >> group - 1 & 1],
        since=since,
        room_s=None if state.room_s == NOTHING_WRITTEN else state.room_s,
        reason=None if state.not_recorded is None else LABELS[GapReason(state.not_recorded)],
        paused_by=paused_by,
    )


def fails(said: RecordingStatus) -> bool:
    """Whether something is not recorded that should be, or soon will not be."""
    return said.reason is not None or little_room(said)


def little_room(said: RecordingStatus) -> bool:
    return said.room_s is not None and said.room_s < LITTLE_ROOM_S


def why(said: RecordingStatus) -> str:
    """In a word or two; empty if all is recorded that should be."""
    return WHY[said.reason] if said.reason else ""


def cause(said: RecordingStatus) -> str:
    """Why, as the recorder says it; aboard alone."""
    said_why = why(said)
    return said.text if said.text.startswith(said_why) else ": ".join(filter(None, (said_why, said.text)))


def cure(said: RecordingStatus) -> str:
    """What to do about it; empty if nothing has to be done."""
    if said.reason == "card_failed" and not said.bytes_written:  # in this session
        return NEVER_WRITTEN
    return CURES.get(said.reason, "") if said.reason else ""


def line(said: RecordingStatus) -> str:
    """For a screen."""
    if not said.key:
        return NOTHING_RECORDED
    groups = [NAMES[group] for group in PICTURES_FIRST if group.name.lower() in said.groups]
    if not groups and said.reason:
        return f"NOT RECORDING: {why(said)}"
    since = f" since {moment(said.since):%H:%M} UTC" if said.since is not None else ""
    if not groups:
        return "the recorder begins"
    room = f"; {duration(said.room_s)} of room" if said.room_s is not None else ""
    lost = f"; NOT ALL IS RECORDED: {why(said)}" if said.reason else ""
    if said.paused_by is not None:
        return f"video paused by {said.paused_by}{since}; recording {', '.join(groups)}{room}{lost}"
    return f"recording{since}: {', '.join(groups)}{room}{lost}"


def notice(said: RecordingStatus) -> str:
    """The same in 40 characters, without a name."""
    if said.paused_by is not None:
        return "recording of video is paused"
    video = [group for group in said.groups if group != Group.FLIGHT.name.lower()]
    if video:
        return "recording video and telemetry"
    return "recording telemetry, no video" if said.groups else "nothing is recorded"
