"""HEARTBEAT, the only message that is decoded: is this an autopilot, and is it armed. By pymavlink, off the data path.

What must not live here: decisions. The dialect is MAVLink's smallest, which has HEARTBEAT and little else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pymavlink.dialects.v20 import minimal

from firmware_shims import mavlink

AUTOPILOT = minimal.MAV_COMP_ID_AUTOPILOT1
GENERIC, ARDUPILOT, PX4 = minimal.MAV_AUTOPILOT_GENERIC, 3, 12  # MAV_AUTOPILOT; the dialect has only the first
SYSTEM = 1  # the default of an aircraft: SYSID_THISMAV (ArduPilot), MAV_SYS_ID (PX4)
_DECODER = minimal.MAVLink(None)
_NOT_AUTOPILOTS = (minimal.MAV_TYPE_GCS, minimal.MAV_TYPE_ONBOARD_CONTROLLER)


class Heartbeat(NamedTuple):
    """The content of a valid HEARTBEAT about its sender.

    `firmware`, `vehicle`, `mode`: its autopilot, type and custom_mode, whose meaning depends on the firmware.
    """

    sysid: int
    compid: int
    armed: bool
    from_autopilot: bool  # not from a ground station, a companion or a camera
    firmware: int = GENERIC
    vehicle: int = 0
    mode: int = 0


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
    said = message.autopilot, message.type, message.custom_mode
    return Heartbeat(message.get_srcSystem(), message.get_srcComponent(), armed, flies, *said)


class Autopilots:
    """The state of the autopilots on a line, by their heartbeats.

    A gimbal or a camera may call itself an autopilot, and flight controllers and routers forward the heartbeats of other
    aircraft: only component 1 of this aircraft's own system can say that it is on the ground. Any sender can say that it is
    not, and one such heartbeat is enough: if two aircraft have one system id, their answers alternate. That it flies, again
    only that component can say: a box next to the pilot, or an aircraft on the ground, hears others that fly.
    """

    def __init__(self, system: int = SYSTEM) -> None:
        self.armed = False  # one of them was armed
        self.flies = False  # component 1 of this aircraft's own system was armed
        self.others: set[int] = set()  # systems that are not this aircraft
        self._system, self._disarmed = system, False

    def hear(self, frames: Iterable[bytes]) -> None:
        for frame in frames:
            heard = read(frame)
            if not heard or not heard.from_autopilot:
                continue
            self.armed |= heard.armed
            if heard.sysid != self._system:
                self.others.add(heard.sysid)
            elif heard.compid == AUTOPILOT:
                self.flies |= heard.armed
                self._disarmed |= not heard.armed

    @property
    def stands(self) -> bool:
        return self._disarmed and not self.armed
