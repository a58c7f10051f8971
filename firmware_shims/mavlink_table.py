"""Makes the table of MAVLink's messages, commands, tunnels and file operations from MAVLink's own definitions.

    python -m firmware_shims.mavlink_table FOLDER     reads FOLDER/*.xml and README.md there, writes mavlink.txt here

A tool for developers, run when the definitions change; no flight imports it. pymavlink's generator, which also generates
the other implementations, reads the XML and computes CRC_EXTRA. README.md names the commit of the XML.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("mavlink.txt")
_ENUMS = ("MAV_CMD", "MAV_FTP_OPCODE", "MAV_TUNNEL_PAYLOAD_TYPE")
_PARAMS = "param1 param2 param3 param4"
_READ_IN_ALL = ("target_system",)
_URI = "uri"  # the end of the name of each field that says where a program can fetch something
_READ = {  # the other fields that are read
    "COMMAND_INT": f"{_PARAMS} x y z command target_component",
    "COMMAND_LONG": f"{_PARAMS} param5 param6 param7 command target_component",
    "FILE_TRANSFER_PROTOCOL": "payload",
    "GPS_RTCM_DATA": "flags len data",
    "MANUAL_CONTROL": "target",
    "MISSION_ITEM": f"{_PARAMS} x y z command",
    "MISSION_ITEM_INT": f"{_PARAMS} x y z command",
    "PARAM_EXT_SET": "target_component param_id",
    "PARAM_MAP_RC": "param_index param_id",
    "PARAM_SET": "param_id",
    "TIMESYNC": "tc1",
    "TUNNEL": "payload_type",
    "VIDEO_STREAM_INFORMATION": "type stream_id",
}
_FORMATS = {"float": "f", "uint8_t": "B", "int16_t": "h", "uint16_t": "H", "int32_t": "i", "int64_t": "q"}
_HEAD = """\
# MAVLink's messages and commands, as read here. Made by `python -m firmware_shims.mavlink_table`; do not edit.
# Source: {source}
# message ID NAME LENGTH-WITHOUT-EXTENSIONS LENGTH CRC_EXTRA FIELD:OFFSET:FORMAT...   (the fields that are read)
# ENUM VALUE NAME
"""


def made(folder: Path) -> str:
    """The table of every *.xml in `folder`. ValueError if two definitions of one message differ, or no commit is named."""
    named = re.search(r"\(([^)]*commit [^)]*?);", (folder / "README.md").read_text())
    if named is None:
        raise ValueError(f"{folder}/README.md names no commit: (..., commit ..., date; ...)")
    files = sorted(folder.glob("*.xml"))
    parsed = [_parsed(path) for path in files]
    source = f"{named[1]}: {' '.join(path.stem for path in files)}"
    lines = sorted({line for xml in parsed for line in _lines(xml)}, key=_order)
    keys = [line.split()[:2] for line in lines]
    if twice := [before for before, after in itertools.pairwise(keys) if before == after]:
        raise ValueError(f"defined twice, and not alike: {twice}")
    return _HEAD.format(source=source) + "\n".join(lines) + "\n"


def _parsed(path: Path) -> Any:
    from pymavlink.generator import mavparse  # here: only who makes the table needs the generator  # noqa: PLC0415

    with contextlib.redirect_stdout(io.StringIO()):  # it warns about bitmasks that are not
        return mavparse.MAVXML(str(path), "2.0")


def _lines(xml: Any) -> Iterator[str]:
    for message in xml.message:
        read = (*_READ_IN_ALL, *_READ.get(message.name, "").split())
        wanted = [f for f in message.ordered_fields if f.name in read or f.name.endswith(_URI)]
        fields = " ".join(f"{f.name}:{f.wire_offset}:{_format(f)}" for f in wanted)
        sizes = f"{message.wire_min_length} {message.wire_length} {message.crc_extra}"
        yield f"message {message.id} {message.name} {sizes} {fields}".rstrip()
    for enum in xml.enum:
        for entry in enum.entry if enum.name in _ENUMS else ():
            yield f"{enum.name} {entry.value} {entry.name.removeprefix(f'{enum.name}_')}"


def _format(field: Any) -> str:
    return f"{field.array_length}s" if field.array_length else _FORMATS[field.type]


def _order(line: str) -> tuple[bool, str, int, str]:
    kind, number, rest = line.split(maxsplit=2)
    return kind != "message", kind, int(number), rest


def main() -> None:
    TABLE.write_text(made(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
