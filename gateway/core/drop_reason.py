"""Drop reasons: the names under which each role counts what it did not deliver. SPEC.md section 12.

What must not live here: finding one out. It imports nothing, since programs that only show a status need these names.
"""

from __future__ import annotations

import enum


class DropReason(enum.StrEnum):
    """Why an input was counted and not delivered. SPEC.md section 12 explains each and says what to do."""

    TOO_SHORT = "too_short"
    NOT_ZEGEL = "not_zegel"
    WRONG_DIRECTION = "wrong_direction"
    BAD_HEADER = "bad_header"
    UNKNOWN_KID = "unknown_kid"
    NOT_GRANTED = "not_granted"
    LANE_CLOSED = "lane_closed"
    BEYOND_BEAT = "beyond_beat"
    TOO_OLD = "too_old"
    REPLAYED = "replayed"
    BAD_TAG = "bad_tag"
    BAD_PADDING = "bad_padding"
    BAD_CONTROL = "bad_control"
    UNOPENED_CONTROL = "unopened_control"
    UNLISTED_FRAGMENT = "unlisted_fragment"
    BAD_MESSAGE_ID = "bad_message_id"
    UNKNOWN_SESSION = "unknown_session"
    UNKNOWN_DEVICE = "unknown_device"
    REVOKED_DEVICE = "revoked_device"
    FOREIGN_SYSTEM = "foreign_system"
    UNKNOWN_ORDER = "unknown_order"
    BAD_SIGNATURE = "bad_signature"
    STALE_BEAT = "stale_beat"
    LATE_BEAT = "late_beat"
    OLDER_SESSION = "older_session"
    TOO_MANY_SESSIONS = "too_many_sessions"
    OVER_BUDGET = "over_budget"
    BAD_GRANT = "bad_grant"
    BAD_ORDER = "bad_order"
    EQUIVOCATION = "equivocation"
    NOT_PERMITTED = "not_permitted"
    WRONG_EPOCH = "wrong_epoch"
    STALE_ECHO = "stale_echo"
    TOO_MANY_INSTANCES = "too_many_instances"
    OUT_OF_ORDER = "out_of_order"
    GUARDED = "guarded"
    OVERSIZE = "oversize"
    LATE = "late"
    UNEXPECTED = "unexpected"
