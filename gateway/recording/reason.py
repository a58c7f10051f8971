"""Reasons: why something was not recorded, and why a session ended. SPEC.md section 9.

It imports nothing, since programs that only show a status need these names.
"""

from __future__ import annotations

import enum


class GapReason(enum.IntEnum):
    """Why something was not recorded."""

    CARD_FULL = 1
    CARD_SLOW = 2
    CARD_FAILED = 3
    RECORDER_RESTARTED = 4
    NOT_ASKED_FOR = 5  # the order says that video is recorded on request
    PAUSED = 6  # by a station


class CloseReason(enum.IntEnum):
    """Why a session ended."""

    ENDED = 1  # the process, as it was asked to
    OTHER_ORDER = 2
    GONE = 3  # the process was killed, or failed
