"""COMMAND_ACK: the answer to a command that does not reach the flight controller. mavlink.io, command protocol.

What must not live here: which commands those are, and where the answer goes.
"""

from __future__ import annotations

import struct

from firmware_shims import frames, mavlink
from firmware_shims.definitions import MESSAGES, NUMBER_OF
from firmware_shims.heartbeat import AUTOPILOT

_ACK = MESSAGES[NUMBER_OF["COMMAND_ACK"]]
COMMANDS = {NUMBER_OF["COMMAND_LONG"], NUMBER_OF["COMMAND_INT"]}
FIELDS = struct.Struct("<HBBiBB")  # command, result; extensions: progress, result_param2, target system and component
DENIED = 2  # MAV_RESULT_DENIED


def denied(frame: bytes) -> bytes | None:
    """The answer to a whole frame, as from the component that it is for, and to its sender.

    None if it is no command, or for no one system: a sender expects the answer of the one that it asked.
    """
    number = mavlink.message_id(frame)
    if number not in COMMANDS:
        return None
    message, payload = MESSAGES[number], mavlink.payload(frame)
    command, system, component = (
        int(message.number_in(payload, field)) for field in ("command", "target_system", "target_component")
    )
    if not system:
        return None
    asker, part, seq = mavlink.key(frame)
    answer = FIELDS.pack(command, DENIED, 0, 0, asker, part)
    return frames.made(_ACK, answer, (system, component or AUTOPILOT), seq)
