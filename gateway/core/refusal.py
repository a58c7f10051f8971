"""Refusal: why a station commands nothing at this moment, or not this frame. SPEC.md section 7.

What must not live here: finding it out (core/ground/commander.py, uplink_sessions.py), and the sentences that people read
(gateway/report/wording.py). It belongs to neither wing, since one program reads the status of both roles.
"""

from __future__ import annotations

import enum


class Refusal(enum.StrEnum):
    """Each is also the name under which the status counts it."""

    OBSERVER = "observer"  # the order gives this station no role command
    NO_AIRCRAFT = "no_aircraft"  # no aircraft is heard, or not the one that is meant
    NOBODYS = "nobodys"  # no aircraft has the system id that the frame names
    FOR_ALL = "for_all"  # the frame is for all systems, and several aircraft are commanded
    OTHER_SESSION = "other_session"  # another session of this aircraft is commanded
    ENDED = "ended"  # the session is closed or silent
    NO_KEYS = "no_keys"  # this station's keys of the session are not here
    PENDING = "pending"  # the session's order is not here
    LATE = "late"  # the frame had waited here since before the oldest beat whose nonce is kept
    NOT_FRESH = "not_fresh"  # no challenge of this station was answered in the last 10 s
