"""Beat flag: the bits of field 10 of a beat. SPEC.md section 5.4. Pure; beat.py loads cryptography, and this does not."""

from __future__ import annotations

import enum


class Flag(enum.IntFlag):
    ORDER_EXPIRED = 1  # the order is past its dates or limits; an aircraft in flight continues
    ORDER_CHANGE_AHEAD = 2
    SESSION_CLOSED = 4
    VENDOR_HAS_PICTURE = 8  # a vendor's device or service holds a picture of this session before it is sealed
    VIDEO_RECORDED = 16
    RECORDING_FAILS = 32  # something that should be recorded is not
    LITTLE_ROOM = 64  # the card has room for less than ten minutes
    NARROW_LINK = 128  # beats come once a second: the narrowest link carries less than 250 kbit/s
