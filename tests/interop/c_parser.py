"""MAVLink's own C parser, compiled for a test: its headers come with pymavlink, the messages from the dialect there."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pymavlink
import pytest
from pymavlink.dialects.v20 import all as dialect

HEADERS = Path(pymavlink.__file__).parent / "generator/C/include_v2.0"
SIZE = 4  # bytes in front of each frame that it prints
PROGRAM = r"""
#include <stdint.h>
#include <stdio.h>
#define MAVLINK_STX 253
#define MAVLINK_ENDIAN MAVLINK_LITTLE_ENDIAN
#define MAVLINK_ALIGNED_FIELDS 1
#define MAVLINK_CRC_EXTRA 1
#define MAVLINK_COMMAND_24BIT 1
#define MAVLINK_MESSAGE_CRCS {%s}
#include "protocol.h"

int main(void)
{
    mavlink_message_t message;
    mavlink_status_t status;
    uint8_t frame[MAVLINK_MAX_PACKET_LEN];
    for (int byte; (byte = getchar()) != EOF;) {
        if (!mavlink_parse_char(MAVLINK_COMM_0, (uint8_t)byte, &message, &status))
            continue;
        uint32_t size = mavlink_msg_to_send_buffer(frame, &message);
        fwrite(&size, sizeof size, 1, stdout);
        fwrite(frame, 1, size, stdout);
    }
    return 0;
}
"""


def _entry(message: type) -> str:
    longest = message.unpacker.size
    return f"{{{message.id},{message.crc_extra},0,{longest},0,0,0}}"


def parsed(stream: bytes, folder: Path) -> list[bytes]:
    """The frames that it finds in `stream`; the test is skipped where there is no compiler, or none of C's own headers."""
    headers = ["gcc", "-fsyntax-only", "-include", "stdlib.h", "-x", "c", "/dev/null"]
    if shutil.which("gcc") is None or subprocess.run(headers, check=False, capture_output=True).returncode:
        pytest.skip("no gcc, or no libc6-dev")
    source, program = folder / "parser.c", folder / "parser"
    entries = ",".join(_entry(dialect.mavlink_map[number]) for number in sorted(dialect.mavlink_map))
    source.write_text(PROGRAM % entries)
    words = ["gcc", "-O1", "-w", f"-I{HEADERS}", str(source), "-o", str(program)]
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    told = subprocess.run([program], input=stream, check=True, capture_output=True, timeout=60).stdout
    frames, at = [], 0
    while at < len(told):
        size = int.from_bytes(told[at : at + SIZE], "little")
        frames.append(told[at + SIZE : at + SIZE + size])
        at += SIZE + size
    return frames


def noisy(seed: int, count: int) -> tuple[list[bytes], bytes]:
    """Frames whose payloads consist of start bytes, and a line on which noise stands before every fourth of them."""
    rng, mav = random.Random(seed), dialect.MAVLink(None, srcSystem=1, srcComponent=1)
    sent, line = [], b""
    for mav.seq in (number % 256 for number in range(count)):
        inside = rng.choices((0xFD, 0xFE), k=rng.choice((16, 32, 64, 96)))
        message = getattr(mav, f"data{len(inside)}_encode")(1, len(inside), inside)
        sent.append(bytes(message.pack(mav)))
        line += rng.randbytes(rng.randrange(1, 60)) * (rng.random() < 0.25) + sent[-1]
    return sent, line
