"""Serial lines: a UART, a USB port, a pseudo-terminal. 8N1, no flow control, one program at a time.

What lives here: the port (pyserial opens and configures it) and the endpoint around it. Bytes are carried by stream.py.
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
    """One serial line, opened again for ever: unplugged and plugged in again, it comes back by itself."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self.octets_a_second = address.baud / BITS_A_BYTE
        self._port: Port | None = None
        self._busy_until, self._timed = 0.0, 0  # when what the driver took has gone at the line's rate; bytes in that sum

    def backlog_s(self, now: float) -> float:
        """By the clock, for USB adapters and pseudo-terminals hold bytes that their driver does not tell of.

        By the driver too, for a line may be slower than its rate.
        """
        if self._stream is None or self._port is None:
            return 0.0
        taken = self.counters.tx_bytes - self._timed
        self._timed += taken
        self._busy_until = max(self._busy_until, now) + taken / self.octets_a_second
        told_s = self._port.waiting() / self.octets_a_second
        return max(self._busy_until - now, told_s) + self._stream.unsent / self.octets_a_second

    def interests(self) -> list[tuple[int, int]]:
        return super().interests() if POSIX else []  # elsewhere it is looked at whenever the loop wakes

    def _open(self, now: float) -> None:
        self._port = Port(self.address.device, self.address.baud)
        self._connected(self._port, now)


class Port:
    """A serial port with the four methods of a non-blocking socket that a stream needs. OSError if it cannot be had.

    pyserial's own read and write are not used where ports are file descriptors: its read takes silence for an end that
    it must first ask select(2) about, and its write goes round and round while the line is full.
    """

    def __init__(self, device: str, baud: int) -> None:
        try:
            # inter_byte_timeout 0 sets VMIN to 1: nothing to read is then EAGAIN, and 0 bytes are the end.
            self._port = serial.Serial(device, baud, timeout=0, write_timeout=0, inter_byte_timeout=0, exclusive=True)
        except _REFUSALS as error:
            raise OSError(str(error)) from error
        if POSIX:
            self._fd = self._port.fileno()
            if not os.ttyname(self._fd).startswith("/dev/pts/"):  # a pseudo-terminal would keep it beyond our death
                fcntl.ioctl(self._fd, termios.TIOCEXCL)  # shuts out programs that do not ask for pyserial's lock, too
            with contextlib.suppress(ValueError, NotImplementedError):  # FTDI adapters otherwise hold bytes back for 16 ms
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
        """Bytes that the driver has taken and not sent; a pseudo-terminal says 0 whatever it holds."""
        with contextlib.suppress(OSError):  # the next read or write meets it, too
            return self._port.out_waiting
        return 0

    def close(self) -> None:
        """Throw away what the driver still holds: waiting for a line that is gone would take half a minute."""
        with contextlib.suppress(OSError, *_REFUSALS):
            self._port.reset_output_buffer()
        with contextlib.suppress(OSError):
            self._port.close()
