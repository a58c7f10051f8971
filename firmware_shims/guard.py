"""Guard policies: what of a station's frames reaches the flight controller. SPEC.md section 4.7.

What lives here: the lists by name, and one question about one frame. What must not: who sent it, keys, counters.
The names and checksums of messages are those of pymavlink's dialect `all`; frames are not parsed with it.

A frame is judged by its message id and, for COMMAND_LONG and COMMAND_INT, by the command in it. That judges what the
flight controller will do only if it takes the frame as a whole: the C parser gives a frame up at an incompatibility flag
that it does not know or at a wrong checksum, and then looks for the next start byte, be it inside. So who is not allowed
everything is allowed only frames that no parser gives up.
"""

from __future__ import annotations

from collections.abc import Callable

from fastcrc.crc16 import mcrf4xx
from pymavlink.dialects.v20 import all as dialect

from firmware_shims import mavlink

SETUP_SIGNING = 256  # it holds the signing key: it crosses no link, not even a sealed one (mavlink.io, message_signing)
_COMMANDS = frozenset({75, 76})  # COMMAND_INT, COMMAND_LONG
_COMMAND_AT = 28  # behind seven floats, or four floats, two integers and one float
_CRC_START = 0xFFFF


def _messages(names: str) -> frozenset[int]:
    known = {kind.msgname: number for number, kind in dialect.mavlink_map.items()}
    return frozenset(known[name] for name in names.split())


def _commands(names: str) -> frozenset[int]:
    return frozenset(getattr(dialect, f"MAV_CMD_{name}") for name in names.split())


# What only asks. SYSTEM_TIME is not among it: it may set a clock.
_ASKING = _messages(
    "HEARTBEAT PING TIMESYNC PARAM_REQUEST_READ PARAM_REQUEST_LIST PARAM_EXT_REQUEST_READ PARAM_EXT_REQUEST_LIST"
    " MISSION_REQUEST_LIST MISSION_REQUEST_PARTIAL_LIST MISSION_REQUEST MISSION_REQUEST_INT MISSION_ACK"
    " FENCE_FETCH_POINT RALLY_FETCH_POINT AUTOPILOT_VERSION_REQUEST"
)
_ASKING_COMMANDS = _commands(
    "REQUEST_MESSAGE GET_MESSAGE_INTERVAL GET_HOME_POSITION REQUEST_PROTOCOL_VERSION REQUEST_AUTOPILOT_CAPABILITIES"
    " REQUEST_CAMERA_INFORMATION REQUEST_CAMERA_SETTINGS REQUEST_STORAGE_INFORMATION REQUEST_CAMERA_CAPTURE_STATUS"
    " REQUEST_FLIGHT_INFORMATION REQUEST_VIDEO_STREAM_INFORMATION REQUEST_VIDEO_STREAM_STATUS"
)
# What moves a camera or makes it record. Regions of interest are not among it: they turn an aircraft without a gimbal.
_CAMERA = _messages(
    "GIMBAL_MANAGER_SET_ATTITUDE GIMBAL_MANAGER_SET_PITCHYAW GIMBAL_MANAGER_SET_MANUAL_CONTROL MOUNT_CONFIGURE"
    " MOUNT_CONTROL DIGICAM_CONFIGURE DIGICAM_CONTROL GOPRO_GET_REQUEST GOPRO_SET_REQUEST PARAM_EXT_SET"
)
_CAMERA_COMMANDS = _commands(
    "DO_CONTROL_VIDEO DO_DIGICAM_CONFIGURE DO_DIGICAM_CONTROL DO_MOUNT_CONFIGURE DO_MOUNT_CONTROL DO_MOUNT_CONTROL_QUAT"
    " DO_SET_CAM_TRIGG_DIST DO_SET_CAM_TRIGG_INTERVAL DO_TRIGGER_CONTROL RESET_CAMERA_SETTINGS SET_CAMERA_MODE"
    " SET_CAMERA_ZOOM SET_CAMERA_FOCUS SET_CAMERA_SOURCE DO_GIMBAL_MANAGER_PITCHYAW DO_GIMBAL_MANAGER_CONFIGURE"
    " IMAGE_START_CAPTURE IMAGE_STOP_CAPTURE REQUEST_CAMERA_IMAGE_CAPTURE VIDEO_START_CAPTURE VIDEO_STOP_CAPTURE"
    " VIDEO_START_STREAMING VIDEO_STOP_STREAMING CAMERA_TRACK_POINT CAMERA_TRACK_RECTANGLE CAMERA_STOP_TRACKING"
    " PANORAMA_CREATE ILLUMINATOR_ON_OFF DO_ILLUMINATOR_CONFIGURE"
)
# What no flight needs: firmware and its keys, buses and ports behind the autopilot, other radios, the end of evidence.
_MAINTENANCE = _messages(
    "AUTH_KEY SERIAL_CONTROL LOG_ERASE DEVICE_OP_READ DEVICE_OP_WRITE SECURE_COMMAND CAN_FRAME CANFD_FRAME"
    " CAN_FILTER_MODIFY WIFI_CONFIG_AP CUBEPILOT_FIRMWARE_UPDATE_START MEMORY_VECT"
)
_MAINTENANCE_COMMANDS = _commands(
    "FLASH_BOOTLOADER DEBUG_TRAP SET_FACTORY_TEST_MODE SCRIPTING INJECT_FAILURE STORAGE_FORMAT PREFLIGHT_UAVCAN"
    " CONFIGURE_ACTUATOR START_RX_PAIR CAN_FORWARD"
)
_KNOWN = frozenset(dialect.mavlink_map)


class Guard:
    """One policy, by its name in the order; KeyError if there is none of that name."""

    def __init__(self, policy: str) -> None:
        self.policy = policy
        self._messages, self._may_command = _POLICIES[policy]

    def allows(self, frame: bytes | memoryview) -> bool:
        """Whether a whole frame may go to the flight controller."""
        number = mavlink.message_id(frame)
        if self.policy == "maintainer":
            return may_cross(frame)
        if number not in self._messages:
            return False
        return (number not in _COMMANDS or self._may_command(_command(frame))) and _taken_whole(frame, number)


_SIGNING_ID = SETUP_SIGNING.to_bytes(3, "little")

# Which messages may pass, and of COMMAND_LONG and COMMAND_INT which commands. A maintainer's are not looked at.
_POLICIES: dict[str, tuple[frozenset[int], Callable[[int], bool]]] = {
    "observer": (_ASKING | _COMMANDS, _ASKING_COMMANDS.__contains__),
    "camera-operator": (_ASKING | _CAMERA | _COMMANDS, (_ASKING_COMMANDS | _CAMERA_COMMANDS).__contains__),
    "pilot": (_KNOWN - _MAINTENANCE - {SETUP_SIGNING}, lambda command: command not in _MAINTENANCE_COMMANDS),
    "maintainer": (_KNOWN - {SETUP_SIGNING}, lambda _: True),
}


def may_cross(frame: bytes | memoryview) -> bool:
    """Whether a whole frame may cross the link at all, in either direction. MAVLink 1 has no SETUP_SIGNING."""
    return frame[0] != mavlink.V2 or frame[7:10] != _SIGNING_ID


def _payload(frame: bytes | memoryview) -> bytes:
    begin = mavlink.V2_HEADER if frame[0] == mavlink.V2 else mavlink.V1_HEADER
    return bytes(frame[begin : begin + frame[1]])


def _command(frame: bytes | memoryview) -> int:
    """The MAV_CMD of a COMMAND_LONG or COMMAND_INT; MAVLink 2 leaves zeros at the end of a payload out."""
    return int.from_bytes(_payload(frame)[_COMMAND_AT : _COMMAND_AT + 2], "little")


def _taken_whole(frame: bytes | memoryview, number: int) -> bool:
    """Whether every parser that knows the message takes the frame from its first byte to its last."""
    kind = dialect.mavlink_map[number]
    if (frame[0] == mavlink.V2 and frame[2] & ~mavlink.SIGNED) or frame[1] > kind.unpacker.size:
        return False
    stop = (mavlink.V2_HEADER if frame[0] == mavlink.V2 else mavlink.V1_HEADER) + frame[1]
    checksum = mcrf4xx(bytes(frame[1:stop]) + bytes([kind.crc_extra]), _CRC_START)
    return checksum == int.from_bytes(frame[stop : stop + mavlink.CHECKSUM_SIZE], "little")
