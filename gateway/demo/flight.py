"""The demo's flight controller: a recorded flight, played through a pseudo-terminal like a UART.

What lives here: the log, the rate of a serial line, and the line itself. The gateway uses the frames.
"""

from __future__ import annotations

import contextlib
import lzma
import os
import select
import struct
import tempfile
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from firmware_shims.mavlink import CHECKSUM_SIZE, V2_HEADER
from gateway.demo.tape import Tape

if os.name == "posix":  # on other systems the demo cannot run, but `zegel --help` must be able to load it
    import tty

LOG = Path(__file__).parent / "data" / "flight.tlog.xz"
BAUD = 921_600
BITS_A_BYTE = 10  # start bit, eight, stop bit
READ_MAX = 1 << 16
NEXT_ROUND_S = 0.1  # the log's streams run at 10 Hz

Log = Sequence[tuple[float, bytes]]  # (seconds from the beginning, one frame)


def recorded_flight() -> Log:
    """The flight that comes with the demo; data/README.md says what is in it."""
    return read_tlog(lzma.decompress(LOG.read_bytes()))


def read_tlog(data: bytes) -> Log:
    """A telemetry log of unsigned MAVLink 2: for each frame 8 bytes of microseconds, big-endian, and the frame."""
    log, at, began = [], 0, struct.unpack_from(">Q", data)[0]
    while at < len(data):
        (when,) = struct.unpack_from(">Q", data, at)
        begin = at + 8
        at = begin + V2_HEADER + data[begin + 1] + CHECKSUM_SIZE
        log.append(((when - began) / 1e6, data[begin:at]))
    return log


class FlightController:
    """Plays `log` (the demo's own by default) at its recorded pace; at its end it starts again.

    `path`  the path at which the gateway opens the line; it stays the same when the gateway opens it again
    `line`  the file descriptor of the flight controller's end
    `sent`  (time, frame) of all frames sent, whole, received or not
    `heard` all received bytes

    Like that of a UART, the line is lossy: bytes sent while no process has it open are lost, and a process that opens it
    receives only later ones. Unlike a UART, it waits for a slow reader, and then so does the flight controller.
    """

    def __init__(self, log: Log | None = None) -> None:
        log = recorded_flight() if log is None else log
        self._frames = [frame for _, frame in log]
        ends = ends_on_the_line(log)
        self._tape = Tape(ends, ends[-1] + NEXT_ROUND_S)
        self._waiting: deque[bytes] = deque()
        self._rest = b""  # the rest of the first waiting frame
        self._heard = False  # whether a process had the line open last time
        self.sent: list[tuple[float, bytes]] = []
        self.heard = bytearray()
        self._folder = tempfile.TemporaryDirectory(prefix="zegel-fc-")
        self.path = f"{self._folder.name}/ttyFC"
        self._lay_line()

    def play(self, now: float) -> None:
        """Send what is due at `now`, seconds of the monotonic clock, and read what has come."""
        self.listen()
        self._waiting.extend(self._frames[number % len(self._frames)] for number in self._tape.due(now))
        heard = self._listened_to()
        while self._waiting and (not heard or self._write(self._waiting[0])):
            self.sent.append((now, self._waiting.popleft()))

    def listen(self) -> None:
        """Read what the gateway has written."""
        with contextlib.suppress(OSError):  # nothing has come, or no process has the line open
            self.heard += os.read(self.line, READ_MAX)

    def frames_sent(self) -> list[bytes]:
        return [frame for _, frame in self.sent]

    def close(self) -> None:
        """Disconnect: remove the line and its path."""
        os.close(self.line)
        self._folder.cleanup()

    def _write(self, frame: bytes) -> bool:
        """Whether the line has accepted the end of the frame; if it is full, call again with the same frame."""
        rest = self._rest or frame
        try:
            self._rest = rest[os.write(self.line, rest) :]
        except BlockingIOError:
            self._rest = rest
        return not self._rest

    def _listened_to(self) -> bool:
        """Whether a process has the line open. When the last one closes it, a new line waits for the next."""
        heard = not self._hangup.poll(0)
        if self._heard and not heard:
            os.close(self.line)
            self._lay_line()
            self._rest = b""
        self._heard = heard
        return heard

    def _lay_line(self) -> None:
        """A raw pseudo-terminal behind `path`.

        A used one would keep its reader's state: unread bytes, its modes, and its TIOCEXCL, which excludes the next
        reader. A UART forgets them when it is closed.
        """
        self.line, far = os.openpty()
        tty.setraw(far)
        Path(f"{self.path}.new").symlink_to(os.ttyname(far))
        Path(f"{self.path}.new").rename(self.path)
        os.close(far)
        os.set_blocking(self.line, False)
        self._hangup = select.poll()
        self._hangup.register(self.line, 0)


def ends_on_the_line(log: Log) -> list[float]:
    """The time at which a UART has sent the last bit of each frame, in seconds from the beginning of the log."""
    ends, free = [], 0.0
    for when, frame in log:
        free = max(when, free) + len(frame) * BITS_A_BYTE / BAUD
        ends.append(free)
    return ends
