"""Seal words: one sentence about the seal of an aircraft, for the screen of a station.

What lives here: the sentence and its level, out of what the ground says. What must not: HTML, and a guess: what the ground
does not know is not said.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from gateway.report import wording
from gateway.report.role_status import SessionStatus

Level: TypeAlias = Literal["good", "warn", "bad"]
SEALED = "sealed from the aircraft to this station"
FROM_THE_CONTROLLER = "sealed from the controller on; before that, a vendor holds the pictures"
GROUND_ENDED = "the ground has ended: nothing is opened here"
NO_SESSION = "no session of this aircraft is known here"
EXPIRED = "the order has expired"
UNPROVED = "it may be a recording: it has answered no challenge of this station yet"


class Seal(NamedTuple):
    level: Level
    text: str


def seal(session: SessionStatus | None, *, alive: bool) -> Seal:
    """`session`: the one that is shown; `alive`: whether its ground runs."""
    if not alive:
        return Seal("bad", GROUND_ENDED)
    if session is None:
        return Seal("bad", NO_SESSION)
    if not is_open(session):
        return Seal("bad", wording.SESSION[session.state])
    text = FROM_THE_CONTROLLER if session.vendor_has_picture else SEALED
    notes = [note for note, holds in ((EXPIRED, session.order_expired), (UNPROVED, not session.proved)) if holds]
    level: Level = "warn" if notes or session.vendor_has_picture else "good"
    return Seal(level, "; ".join([text, *notes]))


def is_open(session: SessionStatus) -> bool:
    return session.state == "open"
