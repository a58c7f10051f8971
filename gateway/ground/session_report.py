"""Session report: what a person is told of a session at a ground, in words and in the status."""

from __future__ import annotations

import time

from gateway.core.ground.session import Session
from keys.beat import Flag

CLAIM_WITHIN_S = 30  # F2: an aircraft's clock this near to ours is worth showing as fresh
SILENT = "silent"
DELAYED = "delayed: its beats come too late to open anything"
UNPROVED = "unproved: no challenge of ours was answered"


def state(session: Session, index: int, now: float) -> str:
    """What the station of this index in the order can open of it. It changes seldom: each change is a line of the log."""
    if session.beat is None:
        return "heard, waiting for its beat"
    if session.closed:
        return "ended by the aircraft"
    if not session.alive(now):
        return DELAYED if session.comes_late(now) else SILENT
    notes = ", order pending" if session.pending else ""
    if not session.granted and session.beat.fragments and index not in session.beat.fragments:
        return "closed to us: it flies under an order that does not list this station"
    if not session.granted:
        return f"beat verified, waiting for our keys{notes}"
    if session.beat.flags & Flag.ORDER_EXPIRED:
        notes += ", order expired"
    return f"open{notes}"


def report(session: Session, commands: str, index: int, now: float) -> dict[str, object]:
    """`commands`: whether commands go up to it, in words."""
    beat = session.beat
    claim = beat.unix_time if beat else 0
    return {
        "session": session.session_id.hex(),
        "boot_counter": session.boot_counter,
        "state": state(session, index, now) + _doubts(session, now),
        "commands": commands,
        "epoch": beat.epoch if beat else None,
        "beat_age_s": round(now - session.beat_at, 2) if beat else None,
        "late_s": round(session.lateness.lag_s, 2),
        "proved": session.proved,
        "clock_agrees": abs(claim - time.time()) <= CLAIM_WITHIN_S if claim else None,
        "flags": int(beat.flags) if beat else 0,
    }


def _doubts(session: Session, now: float) -> str:
    """What tells an open session from a recording, or for how long what comes was on its way."""
    if session.granted and session.alive(now) and not session.proved:
        return f", {UNPROVED}"
    return f", by {session.lateness.lag_s:.1f} s" if session.comes_late(now) and not session.alive(now) else ""
