"""Status socket: how a role publishes its status, and how other programs read it. ZeroMQ.

Each process publishes a JSON object twice a second on a socket of its own, in a folder that only its user can enter, and
for the service of a ground also the group of the viewers (runtime_folder.py). A reader that has just connected is sent the
last one. Publishing never blocks, and the socket takes no questions, so no reader can slow a flight down. Many connections
are disconnected, all at once, because each has a descriptor; readers connect again by themselves.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Set
from pathlib import Path
from typing import Any

import msgspec
import zmq

from gateway import clock, descriptors, ipc
from gateway.errors import NotRunning
from gateway.loop import hardening
from gateway.report import runtime_folder
from gateway.report.keyless import KeylessStatus
from gateway.report.log import say
from gateway.report.role_status import Status, decoded

STATUS_SIZE_MAX = 1 << 20
WAITING_MAX = 2  # statuses that a reader has not read yet: memory that a sender can take
ASKED_SIZE_MAX = 512  # a subscription, or the greeting of a client that subscribes
AGAIN_S = 1.0  # until libzmq has closed what was there
ANSWER_WITHIN_S = 1.5  # a process publishes every half second


class Publisher:
    """Context manager: `send` publishes one status. Without a socket there is no status, and the flight goes on.

    ZeroMQ attaches a new reader when the socket is used next, so `attach` is called between the calls of `send`.
    """

    def __init__(
        self, role: str, name: str, *, holds_key: bool = True, folder: Callable[[], Path] = runtime_folder.of_user
    ) -> None:
        self._name, self._folder = runtime_folder.socket_name(role, name), folder
        if holds_key:  # what strangers of a network reach is bounded by the limit that systemd gives, memory included
            descriptors.allow_many()
        self._context = zmq.Context()
        self._socket = self._made()
        self._again_at = float("inf")  # without a folder there is none for good
        self.path: Path | None = None  # of the socket, while there is one
        self._role, self._locked, self._holds_key = role, hardening.locked(), holds_key

    def __enter__(self) -> Publisher:
        if self._holds_key and not self._locked:
            say(self._role, hardening.NOT_LOCKED)
        try:
            self._bind()
        except OSError as error:
            say("status", f"not available: {error}")
        return self

    def _made(self) -> zmq.Socket[bytes]:
        made = self._context.socket(zmq.PUB)
        made.linger = 0
        made.sndhwm = 2
        made.maxmsgsize = ASKED_SIZE_MAX
        return made

    def _bind(self) -> None:
        folder = self._folder()
        runtime_folder.sockets(folder)
        path = folder / self._name
        ipc.bind(self._socket, path)
        self.path = path

    def __exit__(self, *exc: object) -> None:
        self._context.destroy(linger=0)
        if self.path:
            self.path.unlink(missing_ok=True)

    def send(self, status: Status | KeylessStatus) -> None:
        if self.path:
            whole = msgspec.structs.replace(status, pid=os.getpid(), memory_locked=self._locked)
            data = json.dumps(msgspec.to_builtins(whole)).encode()
            self._socket.send(data, zmq.NOBLOCK)
            self._socket.setsockopt(zmq.XPUB_WELCOME_MSG, data)

    def attach(self) -> None:
        """Send readers that have just connected the last status, so that they need not wait for the next one."""
        if self.path is None:
            self._bind_again(clock.now())
            return
        self._socket.getsockopt(zmq.EVENTS)
        if descriptors.crowded():
            say("status", f"{self.path.name}: flooded with connections, so all were disconnected")
            self._socket.close(linger=0)
            self.path, self._again_at = None, clock.now() + AGAIN_S

    def _bind_again(self, now: float) -> None:
        if now >= self._again_at:
            try:
                self._socket = self._made()
                self._bind()
            except (OSError, zmq.ZMQError):
                self._again_at = now + AGAIN_S


def read_all(within_s: float = ANSWER_WITHIN_S) -> list[Status]:
    """The newest status of every process of this user, and of the services if this user may see them, by role and name."""
    return [status for said in read_raw(within_s) if (status := decoded(said))]


def read_raw(within_s: float = ANSWER_WITHIN_S) -> list[dict[str, Any]]:
    """The same as in JSON; a process of another version may publish something else than a Status."""
    found = _newest(running(), within_s)
    return sorted((found[path] for path in sorted(found)), key=lambda status: (status["role"], status["name"]))


def read_each(paths: Set[Path], within_s: float = ANSWER_WITHIN_S) -> dict[Path, Status]:
    """The newest status of each of these sockets that publishes one."""
    return {path: status for path, said in _newest(paths, within_s).items() if (status := decoded(said))}


def _newest(paths: Set[Path], within_s: float) -> dict[Path, dict[str, Any]]:
    with Reader() as reader:
        reader.follow(paths)
        return reader.read(within_s, each_once=True)


class Reader:
    """Context manager: hears the processes that `follow` names."""

    def __init__(self) -> None:
        self._context, self._poller = zmq.Context(), zmq.Poller()
        self.paths: dict[zmq.Socket[bytes], Path] = {}

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *exc: object) -> None:
        self._context.destroy(linger=0)

    def follow(self, paths: Set[Path]) -> None:
        """From now on hear these sockets, where ZeroMQ can connect to them, and no others."""
        for socket in [socket for socket, path in self.paths.items() if path not in paths]:
            self._poller.unregister(socket)
            socket.close(linger=0)
            del self.paths[socket]
        for path in paths - {*self.paths.values()}:
            socket = self._context.socket(zmq.SUB)
            socket.subscribe(b"")
            socket.maxmsgsize = STATUS_SIZE_MAX
            socket.rcvhwm = WAITING_MAX
            try:
                socket.connect(f"ipc://{path}")
            except (zmq.ZMQError, UnicodeEncodeError):  # ZeroMQ cannot name it; another user may have made it
                socket.close(linger=0)
                continue
            self._poller.register(socket, zmq.POLLIN)
            self.paths[socket] = path

    def read(self, within_s: float, *, each_once: bool = False) -> dict[Path, dict[str, Any]]:
        """What each process said last within this time; if `each_once`, only until each has said something."""
        found: dict[Path, dict[str, Any]] = {}
        heard: set[Path] = set()
        until = time.monotonic() + within_s
        while (left := until - time.monotonic()) > 0 and not (each_once and len(heard) == len(self.paths)):
            for socket, _ in self._poller.poll(int(left * 1000) + 1):
                path = self.paths[socket]
                heard.add(path)
                if status := _read(socket.recv()):
                    found[path] = status
        return found

    def waiting(self) -> dict[Path, dict[str, Any]]:
        """What each process said last, of what has come by now; for a program with a loop of its own."""
        found: dict[Path, dict[str, Any]] = {}
        for _ in range(WAITING_MAX):
            for socket, _ in self._poller.poll(0):
                if status := _read(socket.recv()):
                    found[self.paths[socket]] = status
        return found


def running() -> set[Path]:
    """The status sockets of all processes that run. NotRunning if the folder is not ours.

    What a process left behind that was killed is removed.
    """
    try:
        return runtime_folder.status_sockets()
    except OSError as error:
        raise NotRunning(f"no status: {error}", hint="is XDG_RUNTIME_DIR that of the user who runs zegel?") from None


def _read(data: bytes) -> dict[str, Any] | None:
    """An object with a role and a name; None if it is something else."""
    try:
        found = json.loads(data, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not all(isinstance(found.get(name), str) for name in ("role", "name")):
        return None
    return found


def _finite(text: str) -> float:
    """ValueError for what no number of a status is."""
    if not math.isfinite(value := float(text)):
        raise ValueError(text)
    return value
