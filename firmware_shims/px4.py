"""PX4: MAVLink 2.

Sources: docs.px4.io, "Parameter Reference" and "MAVLink Profiles"; PX4/PX4-Autopilot
src/modules/commander/px4_custom_mode.h.
"""

from __future__ import annotations

from firmware_shims.heartbeat import PX4, Heartbeat

NAME = "PX4"
TESTED = "MAVSDK's autopilot, and a log of its messages, through both roles; no running PX4"
TIME = "SYSTEM_TIME"
LISTENS = True
STREAMS: dict[str, int] = {}  # every version has SET_MESSAGE_INTERVAL

PARAMETERS_HELD = {
    "SYS_*": "update of the bootloader, reset of all parameters at the next start, factory test",
    "SER_*": "the protocol of each serial port, in clear",
    "MAV_?_*": "which port or network carries MAVLink, in clear",
    "UXRCE_DDS_*": "which port or network carries ROS 2, in clear",
    "ZENOH_*": "the same",
    "TEL_*": "telemetry by other radios, in clear",
    "ISBD_*": "telemetry by satellite, in clear",
    "MAV_SIGN*": "whether MAVLink must be signed",
    "SDLOG_*": "where and what is logged, when old logs are removed, and the keys of logs",
}
FILES_HELD = {
    "mavlink/*": "mavlink-signing-key.bin, from the root of the card",
    "fs/microsd/mavlink/*": "the same, from the root of the system",
    "fs/mtd*": "its parameter memory",
}

_MODES = {1: "MANUAL", 2: "ALTCTL", 3: "POSCTL", 5: "ACRO", 6: "OFFBOARD", 7: "STABILIZED", 8: "RATTITUDE"}
_AUTO = 4
_AUTO_MODES = {1: "READY", 2: "TAKEOFF", 3: "LOITER", 4: "MISSION", 5: "RTL", 6: "LAND", 7: "RTGS", 8: "FOLLOWME"}


def is_it(heard: Heartbeat) -> bool:
    return heard.firmware == PX4


def mode(heard: Heartbeat) -> str:
    """custom_mode is two numbers: of the mode in its third byte, and within AUTO of what it does in its fourth."""
    main, sub = heard.mode >> 16 & 0xFF, heard.mode >> 24
    return _AUTO_MODES.get(sub, "") if main == _AUTO else _MODES.get(main, "")
