"""A camera for tests: pictures that are numbered by the time, in Annex B. `python -m tests.system.camera DEVICE [SOCKET]`

It writes them to its standard output, or as a vendor's program does to SOCKET, as long as the file DEVICE is there: without
it the program ends with an error, as one does whose camera was unplugged.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import time
from pathlib import Path

from firmware_shims import vendor_feed
from firmware_shims.vendor_feed import Kind, Record

PER_S = 30
START = b"\0\0\0\1"
PARAMETERS = START + b"\x67\x42\xc0\x1e" + START + b"\x68\xce\x3c\x80"  # as sets look; nothing here decodes them
KEY = b"\x65\x88"
SIZE = int(os.environ.get("CAMERA_SIZE", "3000"))  # bytes
NUMBER = re.compile(rb"picture (\d+);")


def picture(number: int) -> bytes:
    return PARAMETERS + START + KEY + (b"picture %d;" % number).ljust(SIZE, b"x")


def number_of(nals: list[bytes]) -> int | None:
    """The number of a whole picture."""
    nal = nals[-1]
    found = NUMBER.match(nal[len(KEY) :])
    return int(found[1]) if found and nal.endswith(b"x" * 64) else None


def now() -> int:
    return int(time.monotonic() * PER_S)


def main(device: Path, feed: str = "") -> int:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) if feed else None
    if made:
        made.connect(feed)
    first = number = now()
    while device.exists():
        time.sleep(max(0.0, number / PER_S - time.monotonic()))
        data = picture(number)
        if made:
            made.send(vendor_feed.make(Record(Kind.PICTURE, number - first, time.monotonic_ns() // 1000, data)))
        else:
            os.write(1, data)
        number += 1
    print(f"{device.name}: no such camera", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
