"""Processes: one start of a command with all that it starts, and the end of all of it.

What lives here: starting, the end of the group, what escapes from the group, and that no zombie is left. What must not:
when to start again (runner.py), and what the output means (stream.py).

A command and what it starts are one process group. A process that leaves its group becomes a child of ours when its parent
ends (PR_SET_CHILD_SUBREAPER of prctl(2)). It is known by a variable of its environment, and ends with its command.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
TAG = "ZEGEL_SOURCE"  # in the environment of each process of a command: our process, source, number of the start
OURS = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "RUNTIME_DIRECTORY", "STATE_DIRECTORY")  # no child needs them
PROC, TASKS = Path("/proc"), Path("/proc/self/task")
CHILDREN_LOOKED_AT = 256  # at a time

_kept: dict[int, Started] = {}  # by process, until it is no zombie any more


class Started:
    """One start of a command. `out` and `err` are our ends of its pipes; `fd` becomes readable at its end.

    OSError if there is no such program.
    """

    def __init__(self, words: Sequence[str], tag: str, given: bytes | None = None, *, reads: bool = True) -> None:
        self.tag = f"{os.getpid()}.{tag}"
        self.given_up = False  # it was killed, and does not end
        environ = {name: value for name, value in os.environ.items() if name not in OURS}
        given_fd = None if given is None else _filled(given)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - words of the configuration, and no shell
                words,
                stdin=subprocess.DEVNULL if given_fd is None else given_fd,
                stdout=subprocess.PIPE if reads else subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={**environ, TAG: self.tag},
                start_new_session=True,
            )
        finally:
            if given_fd is not None:
                os.close(given_fd)
        self.pid = self._process.pid
        self.fd = os.pidfd_open(self.pid)
        self.out = None if self._process.stdout is None else self._process.stdout.fileno()
        assert self._process.stderr is not None
        self.err = self._process.stderr.fileno()
        for pipe in (self.out, self.err):
            if pipe is not None:
                os.set_blocking(pipe, False)
        _kept[self.pid] = self

    def end(self, number: signal.Signals) -> None:
        """Send a signal to the whole group, whose number stays ours until `close`."""
        if self._process.returncode is None:
            with contextlib.suppress(OSError):  # all of it has ended, or it is of another user by now (a setuid program)
                os.killpg(self.pid, number)

    @property
    def status(self) -> str:
        code = self._process.returncode
        if code is None:
            return "does not end"
        if code < 0:
            return f"was ended by {signal.strsignal(-code) or -code}"
        return f"ended with exit code {code}" if code else "ended"

    def close(self) -> None:
        """After SIGKILL. What the kernel does not let end yet, because of a device, is looked at again by `sweep`."""
        self.given_up = self._process.poll() is None
        if self.given_up:
            return
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        os.close(self.fd)
        del _kept[self.pid]


def _filled(given: bytes) -> int:
    """The end of a pipe from which this can be read once. It is in no file and in no list of arguments."""
    end, ours = os.pipe()
    try:
        os.set_blocking(ours, False)
        os.write(ours, given)
    finally:
        os.close(ours)
    return end


# --- what escaped ---


def adopt() -> None:
    """From now on, what outlives its parent and was started by ours becomes our child."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_left_over() -> int:
    """At the start: end what commands of a `zegel source` of our user have left that was killed; how many there were."""
    ended = 0
    for place in PROC.glob("[0-9]*"):
        pid = int(place.name)
        try:
            owner = _tag(pid).partition(".")[0] if place.stat().st_uid == os.geteuid() else ""
            if owner.isdecimal() and not (PROC / owner).exists():
                os.kill(pid, signal.SIGKILL)
                ended += 1
        except OSError:  # it has ended
            continue
    return ended


def sweep() -> int:
    """End what belongs to no running command, and let no zombie stay; how many were ended. Call it about twice a second."""
    for started in [started for started in _kept.values() if started.given_up]:
        started.close()
    tags = {started.tag for started in _kept.values() if not started.given_up}
    ended = 0
    for pid in _children():
        if pid in _kept:
            continue
        try:
            gone = os.waitpid(pid, os.WNOHANG)[0]
            if not gone and _tag(pid) not in tags:
                os.kill(pid, signal.SIGKILL)
                ended += 1
        except OSError:
            continue
    return ended


def _children() -> Iterator[int]:
    seen = 0
    for task in TASKS.iterdir():
        try:
            words = (task / "children").read_text().split()
        except OSError:  # the thread has ended, or the kernel has no such list
            continue
        for word in words:
            if (seen := seen + 1) > CHILDREN_LOOKED_AT:
                return
            yield int(word)


def _tag(pid: int) -> str:
    try:
        found = (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    prefix = f"{TAG}=".encode()
    return next((each.removeprefix(prefix).decode(errors="replace") for each in found if each.startswith(prefix)), "")
