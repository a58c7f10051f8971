"""ArduPilot: MAVLink 2.

Sources: ardupilot.org, "Requesting Data From The Autopilot" and "Complete Parameter List"; ArduPilot/ardupilot
libraries/GCS_MAVLink, ArduCopter/mode.h, ArduPlane/mode.h, Rover/mode.h, ArduSub/mode.h.
"""

from __future__ import annotations

from firmware_shims.heartbeat import ARDUPILOT, Heartbeat

NAME = "ArduPilot"
TESTED = "logs of ArduCopter 4.7 and ArduPlane in simulation and of a flight of 2015, through both roles"
TIME = "SYSTEM_TIME"
LISTENS = True
_STREAMS = {  # of MAV_DATA_STREAM: raw sensors, extended status, radio control, position, extra 1 to 3
    1: "RAW_IMU SCALED_IMU2 SCALED_IMU3 SCALED_PRESSURE SCALED_PRESSURE2 SCALED_PRESSURE3",
    2: "SYS_STATUS POWER_STATUS MEMINFO MISSION_CURRENT GPS_RAW_INT GPS_RTK GPS2_RAW NAV_CONTROLLER_OUTPUT FENCE_STATUS",
    3: "SERVO_OUTPUT_RAW RC_CHANNELS RC_CHANNELS_RAW",
    6: "GLOBAL_POSITION_INT LOCAL_POSITION_NED",
    10: "ATTITUDE SIMSTATE AHRS2 PID_TUNING",
    11: "VFR_HUD",
    12: "AHRS SYSTEM_TIME WIND RANGEFINDER DISTANCE_SENSOR BATTERY_STATUS MOUNT_STATUS EKF_STATUS_REPORT VIBRATION RPM",
}
STREAMS = {name: stream for stream, names in _STREAMS.items() for name in names.split()}

PARAMETERS_HELD = {
    "BRD_*": "write protection of firmware and bootloader, watchdog, debug pins",
    "FORMAT_VERSION": "resets all parameters at the next start",
    "SERIAL*": "passthrough, and the protocol of each serial port, in clear",
    "DDS_*": "which port or network carries ROS 2, in clear",
    "MAV*_OPTIONS": "whether MAVLink must be signed, and is forwarded to other ports",
    "NET_*": "network ports, which are in clear",
    "CAN_SLCAN*": "passthrough to the CAN bus",
    "SERVO_BLH_*": "passthrough to the motor controllers",
    "LOG_*": "where and what is logged, and when old logs are removed",
    "RC*_OPTION": "a switch for any auxiliary function, such as one that pauses the log",
    "BTN_FUNC*": "the same for a button",
    "SCR_[!U]*": "scripts, but not SCR_USER1 to 6, which are their arguments",
}
FILES_HELD = {
    "@sys/storage.bin*": "its parameter memory, with the signing key",
    "@sys/flash.bin*": "firmware, and on some boards the parameter memory",
    "@sys/crash_dump.bin*": "memory at a crash",
    "*strg_bak/*": "copies of the parameter memory, which it makes at every start",
    "*.stg": "the parameter memory of boards that keep it on the card, and on Linux",
    "*eeprom.bin": "its parameter memory in simulation",
}

_COPTER = (
    "STABILIZE ACRO ALT_HOLD AUTO GUIDED LOITER RTL CIRCLE - LAND - DRIFT - SPORT FLIP AUTOTUNE POSHOLD BRAKE THROW"
    " AVOID_ADSB GUIDED_NOGPS SMART_RTL FLOWHOLD FOLLOW ZIGZAG SYSTEMID AUTOROTATE AUTO_RTL TURTLE"
)
_PLANE = (
    "MANUAL CIRCLE STABILIZE TRAINING ACRO FBWA FBWB CRUISE AUTOTUNE - AUTO RTL LOITER TAKEOFF AVOID_ADSB GUIDED"
    " INITIALISING QSTABILIZE QHOVER QLOITER QLAND QRTL QAUTOTUNE QACRO THERMAL"
)
_ROVER = "MANUAL ACRO LEARNING STEERING HOLD LOITER FOLLOW SIMPLE DOCK CIRCLE AUTO RTL SMART_RTL - - GUIDED INITIALISING"
_SUB = "STABILIZE ACRO ALT_HOLD AUTO GUIDED - - CIRCLE - SURFACE - - - - - - POSHOLD - - MANUAL"
_VEHICLES = {  # MAV_TYPE
    **dict.fromkeys((2, 3, 4, 13, 14, 15, 29), _COPTER.split()),
    **dict.fromkeys((1, *range(19, 26)), _PLANE.split()),
    **dict.fromkeys((10, 11), _ROVER.split()),
    12: _SUB.split(),
}
_NO_NAME = "-"


def is_it(heard: Heartbeat) -> bool:
    return heard.firmware == ARDUPILOT


def mode(heard: Heartbeat) -> str:
    """Its numbers have another meaning in each kind of vehicle."""
    names = _VEHICLES.get(heard.vehicle, [])
    return names[heard.mode].replace(_NO_NAME, "") if heard.mode < len(names) else ""
