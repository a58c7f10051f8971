"""The page of the guard policies: every message and command of MAVLink, with the answer of the guard for each.

    python -m tests.policies          writes firmware_shims/POLICIES.md

The page is made of answers, not of the lists: a frame of each kind is built from MAVLink's definitions and judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import firmware_shims
from firmware_shims import policies
from firmware_shims.contents import QUESTIONS
from firmware_shims.definitions import COMMANDS, FILE_OPERATIONS, MESSAGES, NUMBER_OF, SOURCE, TUNNELS
from firmware_shims.guard import POLICIES, Guard
from tests.guarded import command, file_operation, filled, frame, parameter, tunnel

PAGE = Path(firmware_shims.__file__).with_name("POLICIES.md")
GUARDS = {policy: Guard(policy) for policy in POLICIES}
YES, SOME, NO = "yes", "some", "-"
BY = ("COMMAND_LONG", "COMMAND_INT", "MISSION_ITEM", "MISSION_ITEM_INT")

# Messages that only maintainer allows and that are not reports of a vehicle.
MESSAGES_HELD = {
    "firmware, keys, memory": "SETUP_SIGNING AUTH_KEY SECURE_COMMAND SECURE_COMMAND_REPLY CUBEPILOT_FIRMWARE_UPDATE_START"
    " CUBEPILOT_FIRMWARE_UPDATE_RESP MEMORY_VECT DEVICE_OP_READ DEVICE_OP_READ_REPLY DEVICE_OP_WRITE DEVICE_OP_WRITE_REPLY"
    " ESC_EEPROM OSD_PARAM_CONFIG OSD_PARAM_SHOW_CONFIG",
    "ports and buses behind the autopilot": "SERIAL_CONTROL GPS_INJECT_DATA CAN_FRAME CANFD_FRAME CAN_FILTER_MODIFY"
    " V2_EXTENSION DATA16 DATA32 DATA64 DATA96",
    "other radios": "WIFI_CONFIG_AP CELLULAR_CONFIG AIRLINK_AUTH AIRLINK_AUTH_RESPONSE UAVIONIX_ADSB_OUT_CFG"
    " UAVIONIX_ADSB_OUT_CFG_REGISTRATION UAVIONIX_ADSB_OUT_DYNAMIC",
    "the end of logs": "LOG_ERASE REMOTE_LOG_BLOCK_STATUS",
    "a simulated aircraft": "HIL_STATE HIL_CONTROLS HIL_RC_INPUTS_RAW HIL_ACTUATOR_CONTROLS HIL_SENSOR HIL_GPS"
    " HIL_OPTICAL_FLOW HIL_STATE_QUATERNION",
    "carries commands in an old format": "TRAJECTORY_REPRESENTATION_WAYPOINTS TRAJECTORY_REPRESENTATION_BEZIER",
}


def verdicts(*frames: bytes) -> tuple[str, ...]:
    """The answer of each policy for all these."""
    answers = [{guard.held(each) is None for each in frames} for guard in GUARDS.values()]
    return tuple(SOME if len(found) > 1 else YES if True in found else NO for found in answers)


def row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def table(*heads: str) -> Iterator[str]:
    yield row(*heads)
    yield "|" + "---|" * len(heads)


def page() -> str:
    lines = [*_head(), *_messages(), *_commands(), *_params(), *_names(), *_files(), *_tunnels(), *_rest()]
    return "\n".join(lines) + "\n"


def _head() -> Iterator[str]:
    yield "# What each guard policy allows"
    yield ""
    yield "Made by `python -m tests.policies`, which asks the guard about a frame of every kind. Do not edit this page."
    yield f"The definitions are those of {SOURCE.split(':')[0]}."
    yield ""
    yield f"`{YES}`: it passes; `{NO}`: it is denied; `{SOME}`: it depends on the content, and a table below says how."
    yield "Undefined messages and commands are denied under all policies but maintainer. So is a frame with a wrong"
    yield "checksum, and one that is longer than its definition and contains the beginning of another frame. A frame with"
    yield "unknown flags is denied under all policies."
    yield ""


def _messages() -> Iterator[str]:
    groups = [(group.does, group.names.split()) for group in policies.MESSAGES]
    groups += [(f"denied: {does}", names.split()) for does, names in MESSAGES_HELD.items()]
    rest = _rest_of([message.name for message in MESSAGES.values()], groups)
    yield "## Messages"
    yield ""
    yield from table("what it does", *POLICIES, "messages")
    for does, names in [*groups, ("reports of a vehicle and its parts", rest)]:
        yield from _rows(does, {name: verdicts(*_examples(name)) for name in names})
    yield ""


def _rest_of(names: Iterable[str], groups: Iterable[tuple[str, list[str]]]) -> list[str]:
    listed = {name for _, group in groups for name in group}
    return [name for name in names if name not in listed]


def _rows(does: str, judged: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """One row for those with the same answers."""
    for answer in dict.fromkeys(judged.values()):
        yield row(does, *answer, ", ".join(name for name, given in judged.items() if given == answer))


def _examples(name: str) -> list[bytes]:
    """Frames of one message: of those that are judged by what they carry, what a table below holds and what it does not."""
    if name in BY:
        return [command(each, by=name) for each in ("REQUEST_MESSAGE", "FLASH_BOOTLOADER")]
    examples = {
        "PARAM_SET": [parameter(b"WPNAV_SPEED"), parameter(b"LOG_BITMASK")],
        "PARAM_EXT_SET": [parameter(b"CAM_MODE", "PARAM_EXT_SET", target_component=part) for part in (1, 100)],
        "PARAM_MAP_RC": [parameter(b"WPNAV_SPEED", "PARAM_MAP_RC", param_index=index) for index in (-1, 1)],
        "FILE_TRANSFER_PROTOCOL": [file_operation(each) for each in ("readfile", "writefile")],
        "TUNNEL": [tunnel(number) for number in TUNNELS],
        "TIMESYNC": [filled("TIMESYNC", {"tc1": time}) for time in (0, 1)],
        "GPS_RTCM_DATA": [filled("GPS_RTCM_DATA", {"flags": 1, "len": 9, "data": data}) for data in (b"\xd3", b"\xb5")],
    }
    if NUMBER_OF[name] in QUESTIONS:
        return examples[name]
    return [frame(name)]


def _commands() -> Iterator[str]:
    groups = [(group.does, group.names.split()) for group in policies.COMMANDS]
    rest = _rest_of(COMMANDS.values(), groups)
    yield "## Commands"
    yield ""
    yield "In COMMAND_LONG and COMMAND_INT. Policies that allow MISSION_ITEM and MISSION_ITEM_INT judge them alike."
    yield ""
    yield from table("what it does", *POLICIES, "MAV_CMD")
    for does, names in [*groups, ("denied: firmware, other radios, ports, logs, tests; or of unknown effect", rest)]:
        yield from _rows(does, {name: verdicts(*_with_parameters(name)) for name in names})
    yield from _rows("denied: not defined", {"any other number": verdicts(command(54321))})
    yield ""


PARAMETERS = {
    "PREFLIGHT_REBOOT_SHUTDOWN": {
        "0 or 1 in param1 to param3: nothing, or reboot": ((1,), (0, 1), (1, 1, 1, 1)),
        "2 in one of them: shut down": ((2,), (0, 2), (0, 0, 2)),
        "3: stay in the bootloader": ((3,), (0, 3), (0, 0, 3)),
        "42, 24, 71 and more: crash, which ArduPilot does not document": ((42, 24, 71, 93), (42, 24, 71, 100)),
        "param6 not 0, as 20190226: in flight too": ((1, 0, 0, 0, 0, 20190226), (1, 0, 0, 0, 0, 1)),
    },
    "PREFLIGHT_STORAGE": {
        "0 or 1 in param1: load or store": ((0,), (1,), (1, 1)),
        "2, 3, 4 in param1: reset parameters": ((2,), (3,), (4,)),
        "param3 not 0: end or begin the log": ((1, 0, -1), (1, 0, 1)),
    },
    "DO_AUX_FUNCTION": {"164: pause the log": ((164, 2),), "any other function": ((81, 2), (31, 0))},
}


def _with_parameters(name: str) -> list[bytes]:
    return [command(name, *given) for tried in PARAMETERS.get(name, {"": ((),)}).values() for given in tried]


def _params() -> Iterator[str]:
    yield "## Parameters of commands"
    yield ""
    yield from table("command", "parameters", *POLICIES)
    for name, tried in PARAMETERS.items():
        for what, given in tried.items():
            answer = verdicts(*(command(name, *values) for values in given))
            items = verdicts(*(command(name, *values, by=by) for values in given for by in BY[2:]))
            assert items[2:] == answer[2:]
            yield row(name, what, *answer)
    yield ""


def _names() -> Iterator[str]:
    yield "## Parameters by name"
    yield ""
    yield "PARAM_SET, PARAM_EXT_SET, and PARAM_MAP_RC, which must name its parameter; case is ignored. A"
    yield "camera-operator's PARAM_EXT_SET is for components 100 to 105, 154 and 171 to 175, the cameras and gimbals."
    yield ""
    yield from table("name", "what it is", *POLICIES)
    for pattern, why in policies.PARAMETERS_HELD.items():
        name = pattern.replace("[!U]", "E").replace("*", "X").replace("?", "1").encode()
        yield row(f"`{pattern}`", why, *verdicts(parameter(name), parameter(name.lower())))
    yield row("any other", "", *verdicts(parameter(b"WPNAV_SPEED"), parameter(b"MPC_XY_VEL_MAX")))
    yield ""


def _files() -> Iterator[str]:
    yield "## Files"
    yield ""
    yield "FILE_TRANSFER_PROTOCOL, by operation. An opened file is written by its session and not by its name, and on"
    yield "ArduPilot a file is a script, a mission or many parameters: only a maintainer writes, removes or renames one."
    yield ""
    yield from table("operation", "file", *POLICIES)
    for number, name in FILE_OPERATIONS.items():
        yield row(name, "any, such as a log", *verdicts(file_operation(number, b"APM/LOGS/00000001.BIN")))
    for path, why in policies.FILES_HELD.items():
        read = [file_operation(each, f"/{path.replace('*', '0')}".encode()) for each in ("openfilero", "calcfilecrc")]
        yield row("OPENFILERO, CALCFILECRC", f"`{path}` {why}", *verdicts(*read))
    yield row("any other number", "", *verdicts(*(file_operation(number) for number in (17, 100, 255))))
    yield ""


def _tunnels() -> Iterator[str]:
    yield "## Tunnels"
    yield ""
    yield from table("payload type of TUNNEL", *POLICIES)
    for number, name in TUNNELS.items():
        yield row(f"{number} {name}", *verdicts(tunnel(number)))
    yield row("any other number", *verdicts(tunnel(1), tunnel(40000)))
    yield ""


def _rest() -> Iterator[str]:
    yield "## Other contents of messages"
    yield ""
    yield from table("message", "content", *POLICIES)
    yield row("TIMESYNC", "a question: tc1 is 0", *verdicts(filled("TIMESYNC", {"tc1": 0})))
    yield row("TIMESYNC", "an answer, which sets a clock", *verdicts(filled("TIMESYNC", {"tc1": 1})))
    rtcm = bytes.fromhex("d300133ed7d30202980edeef34b4bd62ac0941986f33360b98")
    for what, flags, data in (
        ("whole RTCM 3 messages", 0, rtcm),
        ("anything else, such as a setting of the receiver", 0, b"\xb5\x62\x06\x09"),
        ("the first piece of an RTCM 3 message", 1, b"\xd3\x01\x00" + bytes(100)),
        ("the first piece of anything else", 1, b"\xb5\x62" + bytes(100)),
        ("a later piece, which cannot be judged alone", 3, bytes(100)),
    ):
        sent = filled("GPS_RTCM_DATA", {"flags": flags, "len": len(data), "data": data})
        yield row("GPS_RTCM_DATA", what, *verdicts(sent))


def main() -> None:
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
