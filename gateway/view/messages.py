"""Messages: the content of the MAVLink frames that a screen shows, by pymavlink's definitions.

What lives here: which messages these are, and their fields. What must not: what a value means (aircraft.py). pymavlink's
parser makes an object with a dozen attributes for each frame, which costs ten times of what is done here: its definition
of a message is enough to check a frame and to unpack its payload.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from fastcrc.crc16 import mcrf4xx
from pymavlink.dialects.v20 import ardupilotmega

from firmware_shims import mavlink

HEARTBEAT, SYS_STATUS, SYSTEM_TIME, GPS_RAW_INT, ATTITUDE = 0, 1, 2, 24, 30
GLOBAL_POSITION_INT, VFR_HUD, RADIO_STATUS, BATTERY_STATUS, MOUNT_STATUS = 33, 74, 109, 147, 158
HOME_POSITION, ADSB_VEHICLE, STATUSTEXT, CAMERA_FOV_STATUS = 242, 246, 253, 271
GIMBAL_DEVICE_ATTITUDE_STATUS = 285
OPEN_DRONE_ID_BASIC_ID, OPEN_DRONE_ID_LOCATION, OPEN_DRONE_ID_SYSTEM = 12900, 12901, 12904
_CRC_START = 0xFFFF
Fields: TypeAlias = Mapping[str, Any]


class Form(NamedTuple):
    """`arrays`: the length of each field that is an array of numbers."""

    unpacker: struct.Struct
    names: tuple[str, ...]
    arrays: tuple[int, ...]
    crc_extra: int

    def unpack(self, payload: bytes) -> Fields:
        """MAVLink 2 omits zeros at the end. A field that is longer than its definition is of a newer one."""
        values = self.unpacker.unpack(payload[: self.unpacker.size].ljust(self.unpacker.size, b"\0"))
        if not any(self.arrays):
            return dict(zip(self.names, values, strict=True))
        return dict(zip(self.names, self._grouped(values), strict=True))

    def _grouped(self, values: tuple[Any, ...]) -> Iterator[Any]:
        at = 0
        for length in self.arrays:
            yield values[at : at + length] if length else values[at]
            at += length or 1


def _form(number: int) -> Form:
    known = ardupilotmega.mavlink_map[number]
    pairs = zip(known.lengths, known.array_lengths, strict=True)
    return Form(
        known.unpacker, tuple(known.ordered_fieldnames), tuple(n if n > 1 else 0 for n, _ in pairs), known.crc_extra
    )


FORMS = {
    number: _form(number)
    for number in (
        *(HEARTBEAT, SYS_STATUS, SYSTEM_TIME, GPS_RAW_INT, ATTITUDE, GLOBAL_POSITION_INT, VFR_HUD, RADIO_STATUS),
        *(BATTERY_STATUS, MOUNT_STATUS, HOME_POSITION, ADSB_VEHICLE, STATUSTEXT, CAMERA_FOV_STATUS),
        *(GIMBAL_DEVICE_ATTITUDE_STATUS, OPEN_DRONE_ID_BASIC_ID, OPEN_DRONE_ID_LOCATION, OPEN_DRONE_ID_SYSTEM),
    )
}


def fields(number: int, frame: bytes) -> Fields | None:
    """Of a whole frame of this message; None if its checksum is wrong."""
    form = FORMS[number]
    stop = (mavlink.V2_HEADER if frame[0] == mavlink.V2 else mavlink.V1_HEADER) + len(payload := mavlink.payload(frame))
    checksum = mcrf4xx(bytes([form.crc_extra]), mcrf4xx(frame[1:stop], _CRC_START))
    if frame[stop : stop + mavlink.CHECKSUM_SIZE] != checksum.to_bytes(mavlink.CHECKSUM_SIZE, "little"):
        return None
    return form.unpack(payload)


def is_whole(frame: bytes) -> bool:
    """Whether these bytes are one frame, by their length."""
    return len(frame) > mavlink.V1_HEADER and frame[0] in mavlink.STARTS and mavlink.frame_size(frame, 0) == len(frame)
