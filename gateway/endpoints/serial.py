"""Serial lines: a UART, a USB port, a pseudo-terminal. 8N1, no flow control, one program at a time.

What lives here: the port (pyserial opens and configures it) and the endpoint around it. stream.py moves the bytes.
"""

from __future__ import annotations

import contextlib
import os

import serial

from gateway.endpoints.address import Address
from gateway.endpoints.stream import StreamEndpoint

BITS_A_BYTE = 10  # a start and a stop bit
POSIX = os.name == "posix"
if POSIX:
    import fcntl
    import termios

    _REFUSALS: tuple[type[Exception], ...] = (ValueError, termios.error)
else:
    _REFUSALS = (ValueError,)


class SerialLine(StreamEndpoint):
    """One serial line, opened again without end: after unplugging and plugging in, it works again by itself."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self.bytes_per_s = address.baud / BITS_A_BYTE
        self._port: Port | None = None
        self._busy_until, self._timed = 0.0, 0  # when the driver's bytes are sent at the line's rate; how many bytes

    def backlog_s(self, now: float) -> float:
        """By the clock, because USB adapters and pseudo-terminals hold bytes that their driver does not report.

        By the driver too, because a line may be slower than its rate.
        """
        if self._stream is None or self._port is None:
            return 0.0
        taken = self.counters.tx_bytes - self._timed
        self._timed += taken
        self._busy_until = max(self._busy_until, now) + taken / self.bytes_per_s
        told_s = self._port.waiting() / self.bytes_per_s
        return max(self._busy_until - now, told_s) + self._stream.unsent / self.bytes_per_s

    def interests(self) -> list[tuple[int, int]]:
        return super().interests() if POSIX else []  # on other systems it is checked whenever the loop wakes

    def _open(self, now: float) -> None:
        self._port = Port(self.address.device, self.address.baud)
        self._connected(self._port, now)


class Port:
    """A serial port with the four methods of a non-blocking socket that a stream needs. OSError if it cannot be opened.

    pyserial's own read and write are not used where ports are file descriptors: its read calls select(2) first and treats
    silence as the end, and its write spins while the line is full.
    """

    def __init__(self, device: str, baud: int) -> None:
        try:
            # inter_byte_timeout 0 sets VMIN to 1: nothing to read is then EAGAIN, and 0 bytes are the end.
            self._port = serial.Serial(device, baud, timeout=0, write_timeout=0, inter_byte_timeout=0, exclusive=True)
        except _REFUSALS as error:
            raise OSError(str(error)) from error
        if POSIX:
            self._fd = self._port.fileno()
            if not os.ttyname(self._fd).startswith("/dev/pts/"):  # a pseudo-terminal would keep it after our end
                fcntl.ioctl(self._fd, termios.TIOCEXCL)  # also excludes programs that do not use pyserial's lock
            with contextlib.suppress(ValueError, NotImplementedError):  # otherwise FTDI adapters delay bytes by 16 ms
                self._port.set_low_latency_mode(True)

    def fileno(self) -> int:
        return self._fd

    def recv_into(self, buffer: memoryview) -> int:
        if POSIX:
            return os.readv(self._fd, [buffer])
        size = int(self._port.readinto(buffer) or 0)
        if not size:
            raise BlockingIOError
        return size

    def send(self, data: bytes) -> int:
        return os.write(self._fd, data) if POSIX else int(self._port.write(data) or 0)

    def waiting(self) -> int:
        """Bytes that the driver has accepted and not sent; a pseudo-terminal always says 0."""
        with contextlib.suppress(OSError):  # the next read or write fails too
            return self._port.out_waiting
        return 0

    def close(self) -> None:
        """Discard the driver's bytes: waiting for a missing line would take half a minute."""
        with contextlib.suppress(OSError, *_REFUSALS):
            self._port.reset_output_buffer()
        with contextlib.suppress(OSError):
            self._port.close()
