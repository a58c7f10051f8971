"""Service: the thread of `zegel recorder` that talks to `zegel air`. It never waits for the card.

    1  air's messages into the queue, all that came; then a pause, in which further ones wait in the socket
    2  air gone: its session ends; the next connection, if there can be one
    3  the state to air, when it changes and twice a second

What must not live here: keys, files.
"""

from __future__ import annotations

import contextlib
import select
import signal
import socket
import struct
import time
from collections.abc import Callable, Set
from pathlib import Path

from gateway import clock
from gateway.loop.watchdog import Manager
from gateway.recording import handover
from gateway.recording.handover import Sign, State
from gateway.recording.queue import Queue
from gateway.recording.reason import GapReason
from gateway.recording.sealing import Sealing
from gateway.report.log import say

STATE_EVERY_S = 0.5
SILENT_S = 10.0  # a card that has not answered for so long is told as slow, before anything is lost
STRUCTURE_MAX = 262_144  # bytes: an order with the most devices and stations, and more
READ_MAX = 64  # messages between two looks at everything else
READ_EVERY_S = 0.025  # so that many messages cost one wake-up: longer than air's pause; 17 MB/s fit the smallest socket
SOCKET_MODE = 0o660
_CREDENTIALS = struct.Struct("iII")  # of SO_PEERCRED: process, user, group


class Service:
    """`air`: the one connection of a recorder that air started. `listener` and `users`: of a service of its own."""

    def __init__(
        self, queue: Queue, manager: Manager, *, air: socket.socket | None = None, listener: socket.socket | None = None,
        users: Callable[[], Set[int]] = frozenset,
    ) -> None:  # fmt: skip
        self._queue, self._manager, self._listener, self._users = queue, manager, listener, users
        self._air: socket.socket | None = None
        self._poll = select.poll()
        self._told: State | None = None
        self._told_at = self._turned_at = float("-inf")
        self._stopping = False
        self._refused = set[int]()  # users
        self.rejected = 0
        if listener:
            self._poll.register(listener, select.POLLIN)
        if air:
            self._connect(air)

    def ask(self, message: Sign) -> None:
        """By the other thread too. What does not go out now is asked again."""
        self._send(handover.encode(message))

    def run(self, sealing: Sealing) -> None:
        """Until SIGINT or SIGTERM, or, if air started this process, until air is gone."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        sealing.start()
        while not self._stopping and (self._air or self._listener):
            ready = dict(self._poll.poll(STATE_EVERY_S * 1000))
            now = clock.now()
            if self._listener and self._listener.fileno() in ready:
                self._accept(now)
            if self._air and self._air.fileno() in ready:
                self._read(self._air, now)
            self._tell(sealing, now)
            if ready:
                time.sleep(READ_EVERY_S)
        if not sealing.stop():
            say("recorder", "the card does not answer: what waited for it is lost")
        self._leave()

    def _stop(self, *_: object) -> None:
        self._stopping = True

    # --- air ---

    def _accept(self, now: float) -> None:
        assert self._listener
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        _, user, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        if user not in self._users():  # asked now: the device folder may be younger than this process
            if user not in self._refused:  # once: a program that tries again and again fills no log
                self._refused.add(user)
                say("recorder", f"user {user} is not that of zegel air: refused")
            connection.close()
            return
        self._lose(now)  # a new air, which is alone in its device folder, so the former is gone
        self._connect(connection)

    def _connect(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._air, self._told = connection, None
        self._poll.register(connection, select.POLLIN)

    def _read(self, air: socket.socket, now: float) -> None:
        for _ in range(READ_MAX):
            try:
                message = air.recv(STRUCTURE_MAX)
            except BlockingIOError:
                return
            except ConnectionResetError:  # air left and did not read our last words: its own are still to come
                continue
            except OSError:
                message = b""
            if not message:
                self._lose(now)
                return
            if len(message) > handover.MESSAGE_MAX and message[0] == handover.DATA:
                self.rejected += 1
            elif not self._queue.put(message, now):
                say("recorder", "zegel air says more than it should: its connection is closed")
                self._lose(now)
                return

    def _lose(self, now: float) -> None:
        if self._air:
            self._leave()
            self._queue.end(now)

    def _leave(self) -> None:
        if self._air:
            with contextlib.suppress(KeyError):
                self._poll.unregister(self._air)
            self._air.close()
            self._air = None

    def _send(self, message: bytes) -> None:
        air = self._air
        with contextlib.suppress(OSError):  # full, or gone: it is said again
            if air:
                air.send(message)

    # --- the state ---

    def _tell(self, sealing: Sealing, now: float) -> None:
        if now - self._turned_at >= STATE_EVERY_S:
            self._turned_at = now
            self._manager.turned(now)
            for place in sealing.barrier.news():
                say("recorder", f"unexpected: {place}; please report this line")
        state = self._state(sealing, now)
        changed = self._told is None or (state.groups, state.reason) != (self._told.groups, self._told.reason)
        if changed and state.reason and self._listener:  # one that air started leaves that to the alarm of air
            say("recorder", f"not recording: {state.text}")
        elif state.groups and self._told and not self._told.groups:
            say("recorder", "recording")
        if self._air and (changed or now - self._told_at >= STATE_EVERY_S):
            self._told, self._told_at = state, now
            self._send(handover.encode(state))

    def _state(self, sealing: Sealing, now: float) -> State:
        progress, losing, busy = sealing.progress, self._queue.losing, sealing.busy_since
        reason, text = progress.trouble or (0, "")
        if not reason and losing:
            reason, text = GapReason.CARD_SLOW, "card slow"
        elif not reason and busy is not None and now - busy > SILENT_S:
            reason, text = GapReason.CARD_SLOW, f"the card has not answered for {now - busy:.0f} s"
        groups = [] if reason else list(progress.groups)
        return State(groups, int(reason), text, progress.room_s, progress.lost + losing, progress.counted)


def listen(path: Path) -> socket.socket:
    """The socket of the service, which the group of its folder may use; what a killed process left is replaced."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    path.unlink(missing_ok=True)
    listener.bind(str(path))
    path.chmod(SOCKET_MODE)
    listener.listen(1)
    listener.setblocking(False)
    return listener
