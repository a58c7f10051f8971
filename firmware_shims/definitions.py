"""The definitions of MAVLink that are needed here: the table in mavlink.txt, read once.

What lives here: lengths, CRC_EXTRA, positions of fields, names. What must not: what may pass.
`firmware_shims.mavlink_table` makes the table from the XML of the MAVLink project; its head names the commit.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple, cast

TABLE = Path(__file__).with_name("mavlink.txt")


class Message(NamedTuple):
    """`length` is that of the whole payload, `least` that of the payload without its extension fields, in bytes."""

    number: int
    name: str
    least: int
    length: int
    crc_extra: int
    fields: dict[str, tuple[int, struct.Struct]]

    def number_in(self, payload: bytes, field: str) -> float:
        """A field of a payload. MAVLink 2 truncates zeros at the end, and a receiver reads zeros there."""
        return cast("float", self._read(payload, field))

    def bytes_in(self, payload: bytes, field: str) -> bytes:
        """A field that is an array of bytes or characters, at its full length."""
        return cast("bytes", self._read(payload, field))

    def _read(self, payload: bytes, field: str) -> object:
        at, form = self.fields[field]
        return form.unpack(payload[at : at + form.size].ljust(form.size, b"\0"))[0]


def _read() -> tuple[str, dict[int, Message], dict[str, dict[int, str]]]:
    lines = TABLE.read_text().splitlines()
    source = next(line for line in lines if line.startswith("# Source: ")).removeprefix("# Source: ")
    messages: dict[int, Message] = {}
    enums: dict[str, dict[int, str]] = defaultdict(dict)
    for line in lines:
        kind, *words = line.split()
        if kind == "message":
            number, name, least, length, extra, *fields = words
            places = {field: (int(at), struct.Struct(f"<{form}")) for field, at, form in (f.split(":") for f in fields)}
            messages[int(number)] = Message(int(number), name, int(least), int(length), int(extra), places)
        elif kind != "#":
            enums[kind][int(words[0])] = words[1]
    return source, messages, enums


SOURCE, MESSAGES, _enums = _read()
COMMANDS, FILE_OPERATIONS, TUNNELS = (_enums[n] for n in ("MAV_CMD", "MAV_FTP_OPCODE", "MAV_TUNNEL_PAYLOAD_TYPE"))
NUMBER_OF = {message.name: number for number, message in MESSAGES.items()}
COMMAND_NUMBER_OF = {name: number for number, name in COMMANDS.items()}


def name_of(number: int) -> str:
    """The name of a message; its number if MAVLink's definitions do not have it."""
    message = MESSAGES.get(number)
    return message.name if message else f"message {number}"
