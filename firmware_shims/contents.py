"""Contents: the content of frames that a policy allows only in part. SPEC.md section 4.7.

What lives here: a check for each such message; its result is None (it may pass) or a few words that name the denied part.
What must not: whether the frame is whole (guard.py), the lists (policies.py). The words come from MAVLink's definitions or
are numbers, never text of a frame, so that there are few of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

from firmware_shims import policies
from firmware_shims.definitions import COMMANDS, FILE_OPERATIONS, NUMBER_OF, TUNNELS, Message
from firmware_shims.guard_policy import GuardPolicy, compiled, match

# (the policy, the message, its payload) -> the denied part, or None
Question: TypeAlias = Callable[[GuardPolicy, Message, bytes], str | None]

_LONG = ("param1", "param2", "param3", "param4", "param5", "param6", "param7")
_INT = ("param1", "param2", "param3", "param4", "x", "y", "z")
_BY_FIELD = -1, -2  # PARAM_MAP_RC: the parameter is named by param_id, or none is


_HELD_NAMES, _HELD_FILES = compiled(policies.PARAMETERS_HELD), compiled(policies.FILES_HELD)

# FILE_TRANSFER_PROTOCOL's payload: seq u16, session, opcode, size, req_opcode, burst_complete, padding, offset u32, data.
_OPCODE, _SIZE, _DATA = 3, 4, 12
_OPENS = {"OPENFILERO", "CALCFILECRC"}

# RTCM 3: 0xD3, six zero bits and ten of length, content, CRC-24Q.
_RTCM_HEAD, _RTCM_CRC = 3, 3
_RTCM_START, _RTCM_LENGTH_MAX = 0xD3, 0x3FF
_CRC_24Q = 0x1864CFB
_FRAGMENTED, _FRAGMENT = 0x01, 0x06  # GPS_RTCM_DATA.flags


def _command(policy: GuardPolicy, message: Message, payload: bytes) -> str | None:
    number = int(message.number_in(payload, "command"))
    name = COMMANDS.get(number, f"MAV_CMD {number}")
    if number not in policy.may_command:
        return name
    fields = _LONG if "param5" in message.fields else _INT
    allowed = policies.PARAMETERS.get(number, ())
    for place, (field, values) in enumerate(zip(fields, allowed, strict=False), 1):
        if values is not None and not _is_among(message.number_in(payload, field), values):
            return f"{name} param{place}"
    if number == policies.AUX_FUNCTION and _becomes(message.number_in(payload, "param1"), policies.AUX_HELD):
        return f"{name} param1"
    return None


def _is_among(value: float, values: frozenset[float]) -> bool:
    return value in values or (math.isnan(value) and 0.0 in values)


def _becomes(value: float, values: frozenset[float]) -> bool:
    """Whether a receiver that truncates or rounds it to an integer gets one of these."""
    return math.isfinite(value) and not values.isdisjoint({float(math.floor(value)), float(math.ceil(value))})


def _parameter(policy: GuardPolicy, message: Message, payload: bytes) -> str | None:
    if message.name == "PARAM_MAP_RC" and message.number_in(payload, "param_index") not in _BY_FIELD:
        return "by number"
    if message.name == "PARAM_EXT_SET" and policy.base == "camera-operator" and not _is_for_camera(message, payload):
        return "of no camera"
    name = message.bytes_in(payload, "param_id").split(b"\0")[0].decode("latin-1").upper()
    if blocked := match(policy.block_param, name):
        return blocked
    if match(policy.allow_param, name):
        return None
    if policy.only_allowed and message.name == "PARAM_SET":
        return "of another name"
    return match(_HELD_NAMES, name)


def _is_for_camera(message: Message, payload: bytes) -> bool:
    return message.number_in(payload, "target_component") in policies.CAMERA_COMPONENTS


def _file(_policy: GuardPolicy, message: Message, payload: bytes) -> str | None:
    inner = message.bytes_in(payload, "payload")
    name = FILE_OPERATIONS.get(inner[_OPCODE], f"opcode {inner[_OPCODE]}")
    if name not in policies.FILES_READ:
        return name
    # PX4 ends a path by its size, ArduPilot at its first zero.
    paths = {inner[_DATA:].split(b"\0")[0], inner[_DATA : _DATA + inner[_SIZE]].split(b"\0")[0]}
    held = next(filter(None, map(_held_path, paths)), None) if name in _OPENS else None
    return f"{name} {held}" if held else None


def _held_path(raw: bytes) -> str | None:
    """The pattern that denies this path. A card's file system (FAT) ignores dots and spaces at the end of a name."""
    steps = [step for step in raw.decode("latin-1").lower().replace("\\", "/").split("/") if step not in {"", "."}]
    names = [step.rstrip(" .") for step in steps]
    return match(_HELD_FILES, "/".join(names)) if all(names) else ".."


def _tunnel(_policy: GuardPolicy, message: Message, payload: bytes) -> str | None:
    number = int(message.number_in(payload, "payload_type"))
    name = TUNNELS.get(number, f"type {number}")
    return None if name in policies.TUNNELS_OPEN else name


def _clock(policy: GuardPolicy, message: Message, payload: bytes) -> str | None:
    """TIMESYNC with tc1 is an answer, by which PX4 sets its offset; a mere question has none."""
    return "an answer" if policy.base != "pilot" and message.number_in(payload, "tc1") else None


def _corrections(_policy: GuardPolicy, message: Message, payload: bytes) -> str | None:
    """GPS_RTCM_DATA goes to the receiver unchanged: whole RTCM 3 messages, or the first piece of one, with its beginning.

    A later piece cannot be judged alone. GPS_INJECT_DATA, which carries any bytes, is only for a maintainer.
    """
    flags, length = message.number_in(payload, "flags"), message.number_in(payload, "len")
    data = message.bytes_in(payload, "data")[: int(length)]
    if int(flags) & _FRAGMENTED:
        fits = int(flags) & _FRAGMENT or (data[:1] == bytes([_RTCM_START]) and _rtcm_length(data) <= _RTCM_LENGTH_MAX)
    else:
        fits = _is_rtcm(data)
    return None if fits else "not RTCM"


def _rtcm_length(data: bytes) -> int:
    return int.from_bytes(data[1:_RTCM_HEAD], "big")


def _is_rtcm(data: bytes) -> bool:
    """Whether these are only whole RTCM 3 messages, at least one."""
    at = 0
    while data[at : at + 1] == bytes([_RTCM_START]):
        stop = at + _RTCM_HEAD + _rtcm_length(data[at:]) + _RTCM_CRC
        if stop > len(data) or _crc_24q(data[at:stop]):
            return False
        at = stop
    return at == len(data) > 0


def _shifted(crc: int) -> int:
    for _ in range(8):
        crc = crc << 1 ^ (_CRC_24Q if crc & 0x800000 else 0)
    return crc & 0xFFFFFF


_BY_BYTE = [_shifted(byte << 16) for byte in range(256)]  # bit by bit, a flood of corrections would take a core


def _crc_24q(data: bytes) -> int:
    """0 over a message and its own CRC."""
    crc = 0
    for byte in data:
        crc = crc << 8 & 0xFFFFFF ^ _BY_BYTE[crc >> 16 ^ byte]
    return crc


QUESTIONS: dict[int, Question] = {
    NUMBER_OF[name]: question
    for names, question in (
        ("COMMAND_INT COMMAND_LONG MISSION_ITEM MISSION_ITEM_INT", _command),
        ("PARAM_SET PARAM_EXT_SET PARAM_MAP_RC", _parameter),
        ("FILE_TRANSFER_PROTOCOL", _file),
        ("TUNNEL", _tunnel),
        ("TIMESYNC", _clock),
        ("GPS_RTCM_DATA", _corrections),
    )
    for name in names.split()
}
