"""Wording: the sentences by which people read states. Everywhere else a state is a member of an Enum.

Sentences that say what is wrong are in advice.py, those of alarms in alarms.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.refusal import Refusal
from gateway.core.session_state import SessionState
from gateway.endpoint_state import State
from gateway.report.role_status import AirStatus, SessionStatus, Status, Use

SESSION = {
    SessionState.STATED: "heard, waiting for its beat",
    SessionState.BEATING: "beat verified, waiting for our keys",
    SessionState.UNLISTED: "closed to us: it flies under an order that does not list this station",
    SessionState.OPEN: "open",
    SessionState.DELAYED: "delayed: its beats come too late to open anything",
    SessionState.SILENT: "silent",
    SessionState.CLOSED: "ended by the aircraft",
}
PENDING, ORDER_EXPIRED = "order pending", "order expired"
SEAL_BEGINS = "the seal begins at the controller"
UNPROVED = "unproved: no challenge of ours was answered"

USE = {Use.LINK: "link", Use.FC: "flight controller", Use.CAMERA: "camera", Use.GCS: "GCS", Use.PLAYER: "player"}
ENDPOINT = {State.CONNECTED: "up", State.IDLE: "waiting", State.RECONNECTING: "down", State.DOWN: "closed"}

READY = "commands go up"
REFUSAL = {
    Refusal.OBSERVER: "no role command in the order",
    Refusal.NO_AIRCRAFT: "no aircraft is heard",
    Refusal.NOBODYS: "no aircraft has this system id (zegel order systems lists it)",
    Refusal.FOR_ALL: "it is for all systems, and several aircraft are commanded",
    Refusal.OTHER_SESSION: "another session of this aircraft is commanded",
    Refusal.ENDED: "the session is over or silent",
    Refusal.NO_KEYS: "our keys have not come yet",
    Refusal.PENDING: "it flies under an order that has not come yet",
    Refusal.LATE: "it had waited in this computer since before the beats that it knows",
    Refusal.NOT_FRESH: "no challenge of ours was answered in the last 10 s",
}


def data_path(why_python: str) -> str:
    """Which code takes the plain turns of video; `why_python` is empty if it is C."""
    return f"Python, because {why_python}" if why_python else "C"


def seal_begins(vendors: Sequence[str]) -> str:
    """Who has the pictures before the seal."""
    return f"{SEAL_BEGINS}: before that, {', '.join(vendors)} {'holds' if len(vendors) == 1 else 'hold'} the pictures"


def opens(state: SessionState, *, pending: bool, order_expired: bool, vendor_has_picture: bool) -> str:
    """What a station can open of a session. It changes seldom: each change is a line of the log."""
    notes = [SESSION[state]]
    if pending and state in {SessionState.BEATING, SessionState.OPEN}:
        notes.append(PENDING)
    if order_expired and state is SessionState.OPEN:
        notes.append(ORDER_EXPIRED)
    if vendor_has_picture and state is SessionState.OPEN:
        notes.append(SEAL_BEGINS)
    return ", ".join(notes)


def _opens(status: SessionStatus) -> str:
    return opens(
        status.state,
        pending=status.pending,
        order_expired=status.order_expired,
        vendor_has_picture=bool(status.vendor_has_picture),
    )


def session(status: SessionStatus) -> str:
    """The same, and what tells it from a recording, how late a delayed one is, and whether commands go up to it."""
    text = _opens(status)
    if status.state is SessionState.OPEN and not status.proved:
        text += f", {UNPROVED}"
    if status.state is SessionState.DELAYED:
        text += f", by {status.late_s:.1f} s"
    return f"{text}; {REFUSAL[status.refusal] if status.refusal else READY}"


def in_short(status: SessionStatus) -> str:
    """The same for a screen: nothing of commands where there is no aircraft to command."""
    text = _opens(status)
    if status.state in {SessionState.SILENT, SessionState.CLOSED, SessionState.DELAYED}:
        return text
    unproved = ", unproved" if status.state is SessionState.OPEN and not status.proved else ""
    return f"{text}{unproved}; {commands(status.refusal)}"


def commands(refusal: Refusal | None) -> str:
    """Whether commands go up to a session."""
    return f"no commands: {REFUSAL[refusal]}" if refusal else READY


def role(status: Status) -> str:
    """How it is, in a word or two."""
    if isinstance(status, AirStatus):
        return "sealed" if status.sealed else "no link: nothing is sent"
    return "open" if status.sealed else "nothing to open"
