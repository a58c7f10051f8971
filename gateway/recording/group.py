"""Groups: which lanes are one recording, and the ports that name what a record holds. SPEC.md section 8."""

from __future__ import annotations

import enum


class Group(enum.IntEnum):
    """A recording is of one group, so that one can be disclosed, or its key destroyed, without the others."""

    FLIGHT = 1
    VIDEO_A = 2
    VIDEO_B = 3
    CAMERA_C = 4  # only recorded: better pictures than the link carries
    CAMERA_D = 5

    __hash__ = int.__hash__  # Enum's own hash is a Python call for each look-up in a table

    @property
    def label(self) -> str:
        """As people type it: video-a."""
        return self.name.lower().replace("_", "-")


class Port(enum.IntEnum):
    """Source and destination port of a record."""

    TELEMETRY = 14550
    UPLINK = 14551  # commands that the aircraft accepted
    EVENT = 14552
    VIDEO_A = 5600
    VIDEO_B = 5604
    CAMERA_C = 5608
    CAMERA_D = 5612

    __hash__ = int.__hash__


VIDEO_GROUPS = (Group.VIDEO_A, Group.VIDEO_B, Group.CAMERA_C, Group.CAMERA_D)
PORTS: dict[Group, tuple[Port, ...]] = {
    Group.FLIGHT: (Port.TELEMETRY, Port.UPLINK, Port.EVENT),
    Group.VIDEO_A: (Port.VIDEO_A,),
    Group.VIDEO_B: (Port.VIDEO_B,),
    Group.CAMERA_C: (Port.CAMERA_C,),
    Group.CAMERA_D: (Port.CAMERA_D,),
}
