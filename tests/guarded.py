"""Frames for the guard: of any message that the table has, whole, with what it carries; pymavlink lacks some of them.

The table is checked against pymavlink where both know a message (tests/unit/firmware_shims/test_definitions.py).
"""

from __future__ import annotations

import struct

from fastcrc.crc16 import mcrf4xx

from firmware_shims.definitions import COMMAND_NUMBER_OF, FILE_OPERATIONS, MESSAGES, NUMBER_OF, TUNNELS

GCS, GCS_PART = 255, 190
_PARAMS = ("param1", "param2", "param3", "param4")
_LONG, _INT = (*_PARAMS, "param5", "param6", "param7"), (*_PARAMS, "x", "y", "z")


def framed(number: int, payload: bytes, crc_extra: int, *, flags: int = 0, v1: bool = False, seq: int = 9) -> bytes:
    """A frame with these bytes in it, as they are, and the checksum that this CRC_EXTRA makes."""
    if v1:
        head = bytes([len(payload), seq, GCS, GCS_PART, number])
    else:
        head = bytes([len(payload), flags, 0, seq, GCS, GCS_PART]) + number.to_bytes(3, "little")
    checksum = mcrf4xx(head + payload + bytes([crc_extra]), 0xFFFF).to_bytes(2, "little")
    return (b"\xfe" if v1 else b"\xfd") + head + payload + checksum + (bytes(13) if flags & 1 else b"")


def frame(name: str, payload: bytes | None = None, **how: int) -> bytes:
    """One of its kind: all zeros, or with this payload."""
    message = MESSAGES[NUMBER_OF[name]]
    if payload is None:
        payload = bytes(message.least if how.get("v1") else message.length)
    return framed(message.number, payload, message.crc_extra, **how)  # type: ignore[arg-type]


def filled(name: str, values: dict[str, object], **how: int) -> bytes:
    """A frame whose fields, of those that the guard reads, have these values."""
    message = MESSAGES[NUMBER_OF[name]]
    payload = bytearray(message.least if how.get("v1") else message.length)
    for field, value in values.items():
        at, form = message.fields[field]
        form.pack_into(payload, at, value)
    return frame(name, bytes(payload), **how)


def command(name: str | int, *params: float, by: str = "COMMAND_LONG", **how: int) -> bytes:
    """A MAV_CMD, by its name without the beginning or its number."""
    number = COMMAND_NUMBER_OF[name] if isinstance(name, str) else name
    whole = {"x", "y"} if by.endswith("INT") else set()
    values = {
        place: int(value) if place in whole else value
        for place, value in zip(_LONG if by == "COMMAND_LONG" else _INT, params, strict=False)
    }
    return filled(by, {**values, "command": number}, **how)


def file_operation(name: str | int, path: bytes = b"", size: int | None = None) -> bytes:
    """FILE_TRANSFER_PROTOCOL, by the name of its operation in lower case or its number."""
    opcode = next(n for n, known in FILE_OPERATIONS.items() if known == name.upper()) if isinstance(name, str) else name
    head = struct.pack("<HBBBBBBI", 1, 0, opcode, len(path) if size is None else size, 0, 0, 0, 0)
    return filled("FILE_TRANSFER_PROTOCOL", {"payload": head + path})


def tunnel(name: str | int) -> bytes:
    number = next(n for n, known in TUNNELS.items() if known == name) if isinstance(name, str) else name
    return filled("TUNNEL", {"payload_type": number})


def parameter(name: bytes, by: str = "PARAM_SET", **values: object) -> bytes:
    return filled(by, {"param_id": name, **values})
