"""Policies: what each guard policy allows, as lists of names. SPEC.md section 4.7; POLICIES.md shows all of it.

What lives here: allow-lists of messages and commands, and lists for parameters, files and tunnels. What must not:
reading a frame (guard.py, contents.py). Names are those of MAVLink's definitions; an unknown name is a KeyError
when this is imported. A policy also allows everything that the policies before it allow.
"""

from __future__ import annotations

from typing import NamedTuple

from firmware_shims.definitions import COMMAND_NUMBER_OF, NUMBER_OF
from firmware_shims.shim import SHIMS


class Group(NamedTuple):
    """The names that `policy` and those after it allow, and in a few words their effect."""

    policy: str
    does: str
    names: str


LISTED = ("observer", "camera-operator", "pilot")  # a maintainer's frames are not inspected

# HEARTBEAT, MANUAL_CONTROL and RC_CHANNELS_OVERRIDE prevent the failsafe for a lost ground control station, if they
# have its system id (ArduPilot's sysid_mygcs_seen; PX4 uses HEARTBEAT). All three are only for the pilot.
MESSAGES = (
    Group(
        "observer",
        "asks for data",
        "PING TIMESYNC PARAM_REQUEST_READ PARAM_REQUEST_LIST PARAM_EXT_REQUEST_READ PARAM_EXT_REQUEST_LIST"
        " MISSION_REQUEST_LIST MISSION_REQUEST_PARTIAL_LIST MISSION_REQUEST MISSION_REQUEST_INT MISSION_ACK"
        " FENCE_FETCH_POINT RALLY_FETCH_POINT AUTOPILOT_VERSION_REQUEST REQUEST_EVENT GOPRO_GET_REQUEST",
    ),
    Group("observer", "carries a command", "COMMAND_INT COMMAND_LONG"),
    # Not MOUNT_CONTROL: by its yaw ArduPilot turns a copter whose mount has no pan.
    Group(
        "camera-operator",
        "moves a camera or makes it record",
        "GIMBAL_MANAGER_SET_ATTITUDE GIMBAL_MANAGER_SET_PITCHYAW GIMBAL_MANAGER_SET_MANUAL_CONTROL MOUNT_CONFIGURE"
        " DIGICAM_CONFIGURE DIGICAM_CONTROL GOPRO_SET_REQUEST PARAM_EXT_SET",
    ),
    Group(
        "pilot",
        "reports that the pilot's station is present",
        "HEARTBEAT CHANGE_OPERATOR_CONTROL SYSTEM_TIME STATUSTEXT COMMAND_ACK RADIO_STATUS RADIO",
    ),
    Group(
        "pilot",
        "steers",
        "SET_MODE MANUAL_CONTROL MANUAL_SETPOINT RC_CHANNELS_OVERRIDE RC_CHANNELS_OVERRIDE_V2 SET_ATTITUDE_TARGET"
        " SET_POSITION_TARGET_LOCAL_NED SET_POSITION_TARGET_GLOBAL_INT SET_ACTUATOR_CONTROL_TARGET SET_VELOCITY_LIMITS"
        " COMMAND_CANCEL MOUNT_CONTROL GIMBAL_CONTROL GIMBAL_DEVICE_SET_ATTITUDE",
    ),
    Group(
        "pilot",
        "plans: missions, fences, places to land",
        "MISSION_COUNT MISSION_ITEM MISSION_ITEM_INT MISSION_WRITE_PARTIAL_LIST MISSION_CLEAR_ALL MISSION_SET_CURRENT"
        " FENCE_POINT RALLY_POINT SET_HOME_POSITION SET_GPS_GLOBAL_ORIGIN SAFETY_SET_ALLOWED_AREA TERRAIN_DATA"
        " TERRAIN_CHECK",
    ),
    Group("pilot", "sets parameters", "PARAM_SET PARAM_MAP_RC SET_MAG_OFFSETS"),
    Group("pilot", "chooses what is sent down", "REQUEST_DATA_STREAM LOGGING_ACK"),
    Group("pilot", "reads logs and files", "LOG_REQUEST_LIST LOG_REQUEST_DATA LOG_REQUEST_END FILE_TRANSFER_PROTOCOL"),
    Group(
        "pilot",
        "reports positions: of the aircraft, its target, traffic, obstacles",
        "GPS_RTCM_DATA GPS_INPUT GLOBAL_POSITION_INT GLOBAL_POSITION_SENSOR RANGING_BEACON VISION_POSITION_ESTIMATE"
        " VISION_SPEED_ESTIMATE VISION_POSITION_DELTA GLOBAL_VISION_POSITION_ESTIMATE VICON_POSITION_ESTIMATE ATT_POS_MOCAP"
        " ODOMETRY OPTICAL_FLOW OPTICAL_FLOW_RAD DISTANCE_SENSOR OBSTACLE_DISTANCE OBSTACLE_DISTANCE_3D LANDING_TARGET"
        " FOLLOW_TARGET TARGET_ABSOLUTE TARGET_RELATIVE ADSB_VEHICLE AIS_VESSEL COLLISION UTM_GLOBAL_POSITION",
    ),
    Group(
        "pilot",
        "identifies the flight by radio",
        "UAVIONIX_ADSB_GET UAVIONIX_ADSB_OUT_CONTROL UAVIONIX_ADSB_OUT_CFG_FLIGHTID OPEN_DRONE_ID_BASIC_ID"
        " OPEN_DRONE_ID_LOCATION OPEN_DRONE_ID_AUTHENTICATION OPEN_DRONE_ID_SELF_ID OPEN_DRONE_ID_SYSTEM"
        " OPEN_DRONE_ID_SYSTEM_UPDATE OPEN_DRONE_ID_OPERATOR_ID OPEN_DRONE_ID_MESSAGE_PACK",
    ),
    Group(
        "pilot",
        "lights, sounds, displays, numbers for scripts",
        "LED_CONTROL PLAY_TUNE PLAY_TUNE_V2 NAMED_VALUE_FLOAT NAMED_VALUE_INT NAMED_VALUE_STRING DEBUG DEBUG_VECT"
        " DEBUG_FLOAT_ARRAY TUNNEL",
    ),
)

# In COMMAND_LONG and COMMAND_INT, and for a pilot in MISSION_ITEM and MISSION_ITEM_INT too.
COMMANDS = (
    Group(
        "observer",
        "asks for data",
        "REQUEST_MESSAGE GET_MESSAGE_INTERVAL GET_HOME_POSITION REQUEST_PROTOCOL_VERSION REQUEST_AUTOPILOT_CAPABILITIES"
        " REQUEST_CAMERA_INFORMATION REQUEST_CAMERA_SETTINGS REQUEST_STORAGE_INFORMATION REQUEST_CAMERA_CAPTURE_STATUS"
        " REQUEST_FLIGHT_INFORMATION REQUEST_VIDEO_STREAM_INFORMATION REQUEST_VIDEO_STREAM_STATUS",
    ),
    # Not DO_MOUNT_CONTROL, as MOUNT_CONTROL above; not regions of interest and PANORAMA_CREATE, which turn an aircraft too.
    Group(
        "camera-operator",
        "moves a camera or makes it record",
        "DO_CONTROL_VIDEO DO_DIGICAM_CONFIGURE DO_DIGICAM_CONTROL DO_MOUNT_CONFIGURE DO_SET_CAM_TRIGG_DIST"
        " DO_SET_CAM_TRIGG_INTERVAL DO_TRIGGER_CONTROL RESET_CAMERA_SETTINGS SET_CAMERA_MODE SET_CAMERA_ZOOM"
        " SET_CAMERA_FOCUS SET_CAMERA_SOURCE SET_STORAGE_USAGE DO_GIMBAL_MANAGER_PITCHYAW DO_GIMBAL_MANAGER_CONFIGURE"
        " IMAGE_START_CAPTURE IMAGE_STOP_CAPTURE REQUEST_CAMERA_IMAGE_CAPTURE VIDEO_START_CAPTURE VIDEO_STOP_CAPTURE"
        " VIDEO_START_STREAMING VIDEO_STOP_STREAMING CAMERA_TRACK_POINT CAMERA_TRACK_RECTANGLE CAMERA_STOP_TRACKING"
        " CAMERA_START_MTI CAMERA_STOP_MTI ILLUMINATOR_ON_OFF DO_ILLUMINATOR_CONFIGURE",
    ),
    Group(
        "pilot",
        "flies",
        "NAV_WAYPOINT NAV_LOITER_UNLIM NAV_LOITER_TURNS NAV_LOITER_TIME NAV_RETURN_TO_LAUNCH NAV_LAND NAV_TAKEOFF"
        " NAV_LAND_LOCAL NAV_TAKEOFF_LOCAL NAV_FOLLOW NAV_CONTINUE_AND_CHANGE_ALT NAV_LOITER_TO_ALT DO_FOLLOW"
        " DO_FOLLOW_REPOSITION DO_ORBIT DO_FIGURE_EIGHT NAV_ARC_WAYPOINT NAV_PATHPLANNING NAV_SPLINE_WAYPOINT"
        " NAV_ALTITUDE_WAIT NAV_VTOL_TAKEOFF NAV_VTOL_LAND NAV_GUIDED_ENABLE NAV_DELAY NAV_PAYLOAD_PLACE NAV_LAST"
        " NAV_SET_YAW_SPEED NAV_SCRIPT_TIME NAV_ATTITUDE_TIME DO_SET_MODE DO_SET_STANDARD_MODE DO_CHANGE_SPEED"
        " DO_CHANGE_ALTITUDE DO_FLIGHTTERMINATION DO_RALLY_LAND DO_GO_AROUND DO_REPOSITION DO_PAUSE_CONTINUE DO_SET_REVERSE"
        " DO_INVERTED_FLIGHT DO_AUTOTUNE_ENABLE DO_GUIDED_MASTER DO_GUIDED_LIMITS DO_VTOL_TRANSITION OVERRIDE_GOTO"
        " SET_GUIDED_SUBMODE_STANDARD SET_GUIDED_SUBMODE_CIRCLE GUIDED_CHANGE_SPEED GUIDED_CHANGE_ALTITUDE"
        " GUIDED_CHANGE_HEADING COMPONENT_ARM_DISARM REQUEST_OPERATOR_CONTROL SOLO_BTN_FLY_CLICK SOLO_BTN_FLY_HOLD"
        " SOLO_BTN_PAUSE_CLICK",
    ),
    Group(
        "pilot",
        "runs a mission, sets fences and places",
        "CONDITION_DELAY CONDITION_CHANGE_ALT CONDITION_DISTANCE CONDITION_YAW CONDITION_GATE CONDITION_LAST DO_LAST"
        " DO_JUMP JUMP_TAG DO_JUMP_TAG MISSION_START DO_SET_MISSION_CURRENT DO_SET_RESUME_REPEAT_DIST DO_RETURN_PATH_START"
        " DO_LAND_START DO_SET_HOME DO_SET_GLOBAL_ORIGIN DO_FENCE_ENABLE NAV_FENCE_RETURN_POINT"
        " NAV_FENCE_POLYGON_VERTEX_INCLUSION NAV_FENCE_POLYGON_VERTEX_EXCLUSION NAV_FENCE_CIRCLE_INCLUSION"
        " NAV_FENCE_CIRCLE_EXCLUSION NAV_FENCE_HOME_CIRCLE_INCLUSION NAV_RALLY_POINT",
    ),
    Group(
        "pilot",
        "points the aircraft or its mount",
        "NAV_ROI DO_SET_ROI DO_SET_ROI_LOCATION DO_SET_ROI_WPNEXT_OFFSET DO_SET_ROI_NONE DO_SET_ROI_SYSID DO_MOUNT_CONTROL"
        " DO_MOUNT_CONTROL_QUAT OBLIQUE_SURVEY PANORAMA_CREATE",
    ),
    Group(
        "pilot",
        "works a payload, relays and servos",
        "DO_SET_RELAY DO_REPEAT_RELAY DO_SET_SERVO DO_REPEAT_SERVO DO_SET_ACTUATOR DO_PARACHUTE DO_GRIPPER DO_SPRAYER"
        " DO_WINCH DO_ENGINE_CONTROL DO_AUX_FUNCTION DO_SEND_SCRIPT_MESSAGE PAYLOAD_PREPARE_DEPLOY PAYLOAD_CONTROL_DEPLOY"
        " AIRFRAME_CONFIGURATION LOWEHEISER_SET_STATE BATTERY_RESET DO_ADSB_OUT_IDENT ODID_SET_EMERGENCY",
    ),
    Group(
        "pilot",
        "makes ready for flight",
        "RUN_PREARM_CHECKS PREFLIGHT_CALIBRATION PREFLIGHT_SET_SENSOR_OFFSETS PREFLIGHT_STORAGE PREFLIGHT_REBOOT_SHUTDOWN"
        " DO_SET_SAFETY_SWITCH_STATE DO_MOTOR_TEST ACTUATOR_TEST ACTUATOR_GROUP_TEST DO_START_MAG_CAL DO_ACCEPT_MAG_CAL"
        " DO_CANCEL_MAG_CAL FIXED_MAG_CAL FIXED_MAG_CAL_FIELD FIXED_MAG_CAL_YAW ACCELCAL_VEHICLE_POS SET_EKF_SOURCE_SET"
        " ESTIMATOR_SENSOR_ENABLE EXTERNAL_POSITION_ESTIMATE EXTERNAL_WIND_ESTIMATE EXTERNAL_ATTITUDE_ESTIMATE SET_HAGL",
    ),
    Group(
        "pilot",
        "chooses what is sent down",
        "SET_MESSAGE_INTERVAL LOGGING_START LOGGING_STOP UAVCAN_GET_NODE_INFO DO_SEND_BANNER",
    ),
)


def numbers_of(groups: tuple[Group, ...], policy: str, number_of: dict[str, int]) -> frozenset[int]:
    """The names of these groups that a policy allows."""
    reach = LISTED[: LISTED.index(policy) + 1]
    return frozenset(number_of[name] for group in groups if group.policy in reach for name in group.names.split())


MAY_SEND = {policy: numbers_of(MESSAGES, policy, NUMBER_OF) for policy in LISTED}
MAY_COMMAND = {policy: numbers_of(COMMANDS, policy, COMMAND_NUMBER_OF) for policy in LISTED}


# Of some commands only these values of some parameters, in the order of COMMAND_LONG's seven; any value of the others.
# NaN means "not given" in MAVLink, and passes like 0.
_ANY = None
_NOTHING, _ONE = frozenset({0.0}), frozenset({0.0, 1.0})
PARAMETERS: dict[int, tuple[frozenset[float] | None, ...]] = {
    COMMAND_NUMBER_OF["PREFLIGHT_REBOOT_SHUTDOWN"]: (
        # Reboot or nothing, for the autopilot, its companion and a component. Not 2 (shut down: the link cannot wake
        # it) or 3 (stay in the bootloader), nor ArduPilot's 42, 24, 71, by which it crashes on purpose, for tests.
        *(_ONE, _ONE, _ONE),
        *(_ANY, _NOTHING, _NOTHING, _ANY),  # param6: 20190226 reboots in flight
    ),
    COMMAND_NUMBER_OF["PREFLIGHT_STORAGE"]: (
        _ONE,  # load, store. Not 2..4: a reset of parameters cancels a maintainer's settings
        *(_ANY, _NOTHING, _ANY, _ANY, _ANY, _ANY),  # param3: -1 ends the log
    ),
}
# Of ArduPilot's auxiliary functions, only 164, LOG_PAUSE, ends evidence; new ones come with every release.
AUX_FUNCTION, AUX_HELD = COMMAND_NUMBER_OF["DO_AUX_FUNCTION"], frozenset({164.0})

# PARAM_SET of these is only for a maintainer. A pilot sets the hundreds of others, so this is a list of denied names: their
# patterns, and the reason. Case is ignored, as ArduPilot does.
PARAMETERS_HELD = {pattern: f"{shim.NAME}: {why}" for shim in SHIMS for pattern, why in shim.PARAMETERS_HELD.items()}

# PARAM_EXT_SET of a camera-operator is for these components: MAV_COMP_ID_CAMERA to CAMERA6, GIMBAL, GIMBAL2 to GIMBAL6.
CAMERA_COMPONENTS = frozenset({*range(100, 106), 154, *range(171, 176)})

# Requests and their end. A station that writes files can write parameters, missions and scripts past every list here.
FILES_READ = frozenset(
    {
        *("NONE", "TERMINATESESSION", "RESETSESSION", "LISTDIRECTORY", "LISTDIRECTORYWITHTIME", "OPENFILERO", "READFILE"),
        *("BURSTREADFILE", "CALCFILECRC"),
    }
)
# The places of MAVLink's signing key, which crosses no link, and the memory that holds it; and on Linux, where an autopilot
# may run together with Zegel, other secrets. Patterns of paths in lower case, in their shortest form.
FILES_HELD = {
    **{path: f"{shim.NAME}: {why}" for shim in SHIMS for path, why in shim.FILES_HELD.items()},
    "dev/*": "PX4, and Linux: devices, memories among them",
    "proc/*": "PX4, and Linux: the same by another name",
    "var/lib/zegel/*": "Linux: the keys of zegel",
    "etc/shadow*": "Linux: passwords",
    "etc/ssh/*": "Linux: the keys of this computer",
    "root/*": "Linux: root's files",
    "home/*": "Linux: users' files",
}

# Tunnels end in a serial port of the other side: of an ESC, an I/O board, a gimbal. One is for the pilot's goggles.
TUNNELS_OPEN = frozenset({"MODALAI_REMOTE_OSD"})
