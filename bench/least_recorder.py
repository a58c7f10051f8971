"""Least recorder: a program in C that does what a recorder must for each byte and no more, to see what that alone costs.

What lives here: what it is given, as `zegel air` hands it over, and its CPU time. What must not: figures of others.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from pathlib import Path

from bench import load
from bench.compiler import Absent, built
from bench.recorded_session import data, in_a_message, records
from gateway.air.recorder_link import BUFFER
from gateway.recording.stage import HAND_OVER_EVERY_S


class LeastRecorder:
    """Absent where it cannot be compiled."""

    def __init__(self) -> None:
        self._program = built("least_recorder", ("crypto",), "libssl-dev")

    def run(self, file: Path, size: int) -> float:
        """Its CPU seconds for so many bytes of records at least, which it seals into this file."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        with theirs, ours:
            process = subprocess.Popen([str(self._program), str(file)], stdin=theirs.fileno(), stdout=subprocess.DEVNULL)  # noqa: S603
            theirs.close()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # its end says why
                _pour(ours, size)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise Absent("the least recorder failed", hint=f"run it by hand: {self._program}")
        return used.ru_utime + used.ru_stime


def _pour(to: socket.socket, size: int) -> None:
    message = data(records([os.urandom(load.VIDEO_SIZE) for _ in range(in_a_message(load.VIDEO_SIZE))], 0))
    sent = 0
    while sent < size:
        try:
            sent += to.send(message, socket.MSG_DONTWAIT)
        except BlockingIOError:  # the socket is full
            time.sleep(HAND_OVER_EVERY_S)
