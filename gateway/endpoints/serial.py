"""Serial lines: a UART, a USB port, a pseudo-terminal. 8N1, no flow control, one program at a time.

What lives here: the port (pyserial opens and configures it) and the endpoint around it. Bytes are carried by stream.py.
"""

from __future__ import annotations

import contextlib
import os

import serial

from gateway.endpoints.stream import StreamEndpoint

POSIX = os.name == "posix"
if POSIX:
    import fcntl
    import termios

    _REFUSALS: tuple[type[Exception], ...] = (ValueError, termios.error)
else:
    _REFUSALS = (ValueError,)


class SerialLine(StreamEndpoint):
    """One serial line, opened again for ever: unplugged and plugged in again, it comes back by itself."""

    def interests(self) -> list[tuple[int, int]]:
        return super().interests() if POSIX else []  # elsewhere it is looked at whenever the loop wakes

    def _open(self, now: float) -> None:
        self._connected(Port(self.address.device, self.address.baud), now)


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

    def close(self) -> None:
        """Throw away what the driver still holds: waiting for a line that is gone would take half a minute."""
        with contextlib.suppress(OSError, *_REFUSALS):
            self._port.reset_output_buffer()
        with contextlib.suppress(OSError):
            self._port.close()
