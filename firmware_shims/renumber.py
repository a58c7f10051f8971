"""Renumbering: the frames of system 0, component 200, which is how Betaflight names itself, as those of this aircraft.

What lives here: one frame with other numbers and its checksum again. It is done only where a person asked for it; all other
frames pass as they are, and so does a frame that cannot be changed safely: a signed one, one of an unknown message, whose
checksum cannot be computed, and one whose checksum is wrong.
"""

from __future__ import annotations

from firmware_shims import frames, mavlink
from firmware_shims.betaflight import MAVLINK_COMPONENT
from firmware_shims.definitions import MESSAGES
from firmware_shims.heartbeat import AUTOPILOT

_AS_BETAFLIGHT = bytes([0, MAVLINK_COMPONENT])


def renumbered(frame: bytes, system: int) -> bytes:
    """The same message from the autopilot of `system`, or the frame as it is."""
    version2 = frame[0] == mavlink.V2
    at, header = (5, mavlink.V2_HEADER) if version2 else (3, mavlink.V1_HEADER)
    message = MESSAGES.get(mavlink.message_id(frame))
    if frame[at : at + 2] != _AS_BETAFLIGHT or message is None or (version2 and frame[2]):
        return frame
    stop = header + frame[1]
    if not frames.checksum_fits(frame, stop, message.crc_extra):
        return frame
    other = frame[:at] + bytes([system, AUTOPILOT]) + frame[at + 2 : stop]
    return other + frames.checksum(other, stop, message.crc_extra).to_bytes(mavlink.CHECKSUM_SIZE, "little")
