"""HEARTBEAT, the one message that is read: is this the autopilot, and is it armed. Read with pymavlink, off the data path.

What must not live here: a decision. The dialect is MAVLink's smallest, which holds HEARTBEAT and little else.
"""

from __future__ import annotations

from typing import NamedTuple

from pymavlink.dialects.v20 import minimal

from firmware_shims import mavlink

_DECODER = minimal.MAVLink(None)
_NOT_AUTOPILOTS = (minimal.MAV_TYPE_GCS, minimal.MAV_TYPE_ONBOARD_CONTROLLER)


class Heartbeat(NamedTuple):
    """What a valid HEARTBEAT says of its sender."""

    sysid: int
    compid: int
    armed: bool
    from_autopilot: bool  # not from a ground station, a companion or a camera


def read(frame: bytes | memoryview) -> Heartbeat | None:
    """The heartbeat that a whole frame holds; None if it is another message, or its checksum is wrong."""
    if mavlink.message_id(frame) != minimal.MAVLINK_MSG_ID_HEARTBEAT:
        return None
    try:
        message = _DECODER.decode(bytearray(frame))
    except minimal.MAVError:
        return None
    flies = message.autopilot != minimal.MAV_AUTOPILOT_INVALID and message.type not in _NOT_AUTOPILOTS
    armed = bool(message.base_mode & minimal.MAV_MODE_FLAG_SAFETY_ARMED)
    return Heartbeat(message.get_srcSystem(), message.get_srcComponent(), armed, flies)
