"""Target: the system that a frame is for, by the field of its message. SPEC.md section 7.4.

What lives here: reading one byte, and the messages that may mean all systems when it is 0. What must not: who that is.
"""

from __future__ import annotations

from firmware_shims import mavlink
from firmware_shims.definitions import MESSAGES, NUMBER_OF

EVERYBODY = 0
_PLACES = {
    number: message.fields[field][0]
    for number, message in MESSAGES.items()
    for field in ("target_system", "target")
    if field in message.fields
}
# Requests, times, corrections and identification may be for all at once. Messages with an effect must name their target.
_MEANS_ALL = frozenset(
    {
        *(NUMBER_OF[name] for name in ("PING", "TIMESYNC", "REQUEST_DATA_STREAM", "GPS_INJECT_DATA")),
        *(number for number, message in MESSAGES.items() if message.name.startswith("OPEN_DRONE_ID_")),
    }
)


def system(frame: bytes | memoryview) -> int | None:
    """The system that a whole frame is for; 0 means all. None if its message has no target.

    MAVLink 2 truncates zeros at the end of a payload. For an unknown message: 0.
    """
    number = mavlink.message_id(frame)
    if number not in _PLACES:
        return None if number in MESSAGES else EVERYBODY
    begin, place = mavlink.V2_HEADER if frame[0] == mavlink.V2 else mavlink.V1_HEADER, _PLACES[number]
    return frame[begin + place] if place < frame[1] else EVERYBODY


def may_mean_all(frame: bytes | memoryview) -> bool:
    """Whether a frame whose target is 0 may go to several aircraft."""
    return mavlink.message_id(frame) in _MEANS_ALL
