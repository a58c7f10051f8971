"""Session state: what one session of an aircraft is to one station, at one moment. SPEC.md section 7 draws it.

What lives here: the states, and which can follow which. What must not: how a state is found out
(core/ground/session.py), and the sentences that people read (gateway/report/wording.py). It belongs to neither wing, since
one program reads the status of both roles.
"""

from __future__ import annotations

import enum


class SessionState(enum.StrEnum):
    """Each is also the word for it in the status."""

    STATED = "stated"  # its statement verified; no beat of it has come in time
    BEATING = "beating"  # its beats verify; the keys of its current epoch are not here
    UNLISTED = "unlisted"  # the same, and its beats list announcements for other stations and none for this one
    OPEN = "open"  # the keys of its current epoch are here
    DELAYED = "delayed"  # its beats come, and come too late to be believed
    SILENT = "silent"  # no new beat has come for 3 s
    CLOSED = "closed"  # a beat said that it is over


_HEARD = frozenset(SessionState) - {SessionState.STATED, SessionState.CLOSED}
FOLLOWING: dict[SessionState, frozenset[SessionState]] = {
    SessionState.STATED: frozenset({SessionState.BEATING, SessionState.UNLISTED, SessionState.CLOSED}),
    **{state: _HEARD - {state} | {SessionState.CLOSED} for state in _HEARD},
    SessionState.CLOSED: frozenset(),
}
