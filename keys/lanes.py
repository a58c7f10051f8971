"""Lanes, roles and key identifiers. SPEC.md section 4.

What lives here: the closed lists of lanes (SFrame contexts) and roles, and the KID layouts. No key.
"""

from __future__ import annotations

import enum
import functools

SESSION_ID_SIZE = 16
INSTANCE_SIZE = 5
STATIONS_MAX = 15  # the station index has four bits, and 0 is no station
UPLINK_KEY = 16  # the name under which a grant holds its uplink key (SPEC.md section 5.3)


class Lane(enum.IntEnum):
    """An SFrame context (RFC 9605 section 5.2): one kind of content, one set of readers."""

    TELEMETRY = 1  # for stations that may command
    VIDEO_A = 2
    VIDEO_B = 3
    OBSERVER_TELEMETRY = 4  # for stations that only watch: with their key they can forge only to observers
    ORDER = 5
    EVIDENCE = 7
    UPLINK = 16
    CONTROL = 17

    __hash__ = int.__hash__  # Enum's own hash is a Python call for each look-up in a table


class Role(enum.IntFlag):
    """What a station may do, as bits of the order (SPEC.md section 3)."""

    TELEMETRY = 1
    VIDEO = 2
    COMMAND = 4  # implies TELEMETRY
    WITNESS = 8
    CONTROL = 16


@functools.cache
def role_names(roles: Role) -> tuple[str, ...]:
    return tuple(role.name.lower() for role in Role if role.name and roles & role)


TELEMETRY_LANES = (Lane.TELEMETRY, Lane.OBSERVER_TELEMETRY)
VIDEO_LANES = (Lane.VIDEO_A, Lane.VIDEO_B)
DOWNLINK_LANES = (Lane.TELEMETRY, Lane.VIDEO_A, Lane.VIDEO_B, Lane.OBSERVER_TELEMETRY, Lane.ORDER, Lane.EVIDENCE)


def lanes_for(roles: Role) -> tuple[Lane, ...]:
    """The downlink lanes whose keys a station with these roles is granted."""
    lanes = []
    if roles & Role.COMMAND:
        lanes.append(Lane.TELEMETRY)
    elif roles & Role.TELEMETRY:
        lanes.append(Lane.OBSERVER_TELEMETRY)
    if roles & Role.VIDEO:
        lanes += VIDEO_LANES
    return (*lanes, Lane.ORDER, Lane.EVIDENCE)


def downlink_kid(lane: Lane, session_id: bytes, epoch: int) -> int:
    """context << 8 | sender nibble << 4 | epoch mod 16: 16 bits, always >= 256, so KKK = 1 (two bytes)."""
    return lane << 8 | (session_id[0] >> 4) << 4 | epoch & 0xF


def uplink_head(lane: Lane, station: int) -> int:
    """The first byte of an uplink KID: (context - 15) nibble | station nibble."""
    return (lane - 15) << 4 | station


def uplink_kid(lane: Lane, station: int, session_id: bytes, epoch: int, instance: bytes) -> int:
    """First byte | epoch mod 256 | session_id[0] | instance(5): 64 bits, KKK = 7."""
    head = bytes([uplink_head(lane, station), epoch & 0xFF, session_id[0]])
    return int.from_bytes(head + instance, "big")
