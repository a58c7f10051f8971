"""Frames that are made or changed here: MAVLink 2, unsigned, with their checksum. mavlink.io, serialization.

What must not live here: why a frame is made (command_ack.py, addresses.py), and the forms of MAVLink (definitions.py).
"""

from __future__ import annotations

from fastcrc.crc16 import mcrf4xx

from firmware_shims import mavlink
from firmware_shims.definitions import MESSAGES, Message

_CRC_START = 0xFFFF


def checksum(frame: bytes, stop: int, crc_extra: int) -> int:
    """The checksum of a whole frame whose payload ends at `stop`."""
    return mcrf4xx(frame[1:stop] + bytes([crc_extra]), _CRC_START)


def checksum_fits(frame: bytes, stop: int, crc_extra: int) -> bool:
    return checksum(frame, stop, crc_extra) == int.from_bytes(frame[stop : stop + mavlink.CHECKSUM_SIZE], "little")


def made(message: Message, payload: bytes, sender: tuple[int, int], seq: int) -> bytes:
    """A frame of `sender`, a system and a component. Zeros at the end of the payload are truncated, not its first byte."""
    body = payload[:1] + payload[1:].rstrip(b"\0")
    frame = bytes([mavlink.V2, len(body), 0, 0, seq, *sender]) + message.number.to_bytes(3, "little") + body
    return frame + checksum(frame, len(frame), message.crc_extra).to_bytes(mavlink.CHECKSUM_SIZE, "little")


def changed(frame: bytes, values: dict[str, object]) -> bytes:
    """An unsigned frame of MAVLink 2 with these values in place of its own. KeyError for an unknown message or field."""
    message = MESSAGES[mavlink.message_id(frame)]
    stop = mavlink.V2_HEADER + frame[1]
    payload = bytearray(frame[mavlink.V2_HEADER : stop].ljust(message.length, b"\0"))
    for field, value in values.items():
        at, form = message.fields[field]
        form.pack_into(payload, at, value)
    return made(message, bytes(payload), (frame[5], frame[6]), frame[4])
