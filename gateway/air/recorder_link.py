"""Recorder link: air's connection to the process that records. Connects or starts it, tells it the session, and signs.

    service   a unit listens on a socket: connect to it, again and again, since its manager restarts it
    child     without such a socket, or for a folder that a person named: started by exec, with one end of a socket pair,
              and again when it is gone; never in the service of air

What must not live here: what is recorded (record_state.py); sending, so that what is said keeps its place among the data
(gateway.recording.stage). Nothing here waits: neither for a recorder nor for one that a dead card holds. Air has no segment
key; the recorder has no session key.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from gateway.core.budget import Budget
from gateway.errors import ConfigError
from gateway.recording import folder, handover
from gateway.recording.handover import FromAir, Session, Sign, Signed, State

SERVICE = Path("/run/zegel-recorder/air.sock")
AIR_SERVICE = Path("/run/zegel")  # RuntimeDirectory= of packaging/zegel-air.service
BUFFER = 1 << 20  # bytes that the socket is asked to keep; most systems give less
READ_MAX = 16  # messages in one look
SIGN_PER_S, SIGN_BURST = 5.0, 32.0  # headers: one for each group and epoch
BEGINS_WITHIN_S, SILENT_AFTER_S = 30.0, 10.0  # a small board needs seconds to load Python
AGAIN_MIN_S, AGAIN_MAX_S = 0.5, 10.0
LASTED_S = 10.0  # after that its end is not one of a series
STUCK_MAX = 1  # children that were killed and are not gone: a dead card holds them, and would hold further ones
_NOT_ITS_OWN = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID")


class Out(Protocol):
    """What goes to a recorder: gateway.recording.stage.Stages."""

    @property
    def error(self) -> int: ...
    def connect(self, made: socket.socket | None) -> None: ...
    def say(self, structure: bytes) -> None: ...


class Recorder(NamedTuple):
    """Which recorder there can be, and the folder that it writes to.

    `words`    the command of one, to which `--fd N` is added; none: only a service records
    `service`  the socket of one that runs as a service; None: none is looked for
    """

    words: Sequence[str] = ()
    service: Path | None = SERVICE
    folder: str = ""


class RecorderLink:
    """`sign`: the signed message of a header's payload, empty if it is not one of the present session. `out` sends to the
    recorder; `say`: one line for people.

    `said`      what the recorder said last; None while there is none
    `trouble`   why there is none; empty if it only has to begin
    `rejected`  messages of it that are none, or over the budget
    """

    def __init__(
        self,
        recorder: Recorder,
        sign: Callable[[bytes], bytes],
        out: Out,
        say: Callable[[str], None],
    ) -> None:
        self.said: State | None = None
        self.trouble, self.rejected = "", 0
        self._recorder, self._sign, self._out, self._say = recorder, sign, out, say
        self._socket: socket.socket | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._stuck: list[subprocess.Popen[bytes]] = []
        self._session: Session | None = None
        self._current: dict[type[FromAir], FromAir] = {}  # what a recorder that begins has to know besides the session
        self._budget = Budget(SIGN_PER_S, SIGN_BURST)
        self._since = self._heard_at = self._again_at = float("-inf")
        self._again_s = AGAIN_MIN_S

    # --- what air says ---

    def begin(self, session: Session, *current: FromAir) -> None:
        """A session; the recorder ends the one before. `current` is what holds from its beginning."""
        self._session = session
        self._current = {type(each): each for each in current}
        self._tell(session, *current)

    def tell(self, message: FromAir, *, lasting: bool = True) -> None:
        """`lasting`: a recorder that begins later is told it too; only the newest of its type."""
        if lasting:
            self._current[type(message)] = message
        self._tell(message)

    def end(self, *last: FromAir) -> None:
        """Say it, as far as the socket takes it, and leave. A child ends by itself when it finds the socket closed."""
        self._tell(*last)
        self._session = None
        self._leave()

    def _tell(self, *messages: FromAir) -> None:
        if self._socket is not None:
            for message in messages:
                self._out.say(handover.encode(message))

    # --- what the recorder says ---

    def look(self, now: float) -> None:
        """Read what came, and see that there is a recorder. Call it some times a second."""
        self._stuck = [child for child in self._stuck if child.poll() is None]
        if self._session is None:
            return
        if self._socket is None:
            if now >= self._again_at:
                self._begin(now)
            return
        for _ in range(READ_MAX):
            if not self._read(now):
                break
        if self._socket is None:
            return
        if now - self._heard_at > self._patience_s or self._out.error:
            self._lose("the recorder does not answer")
        elif now - self._since > LASTED_S:
            self._again_s = AGAIN_MIN_S

    @property
    def _patience_s(self) -> float:
        return SILENT_AFTER_S if self.said else BEGINS_WITHIN_S

    def _read(self, now: float) -> bool:
        """Whether there may be more."""
        if self._socket is None:
            return False
        try:
            message = self._socket.recv(handover.MESSAGE_MAX)
        except BlockingIOError:
            return False
        except OSError:
            message = b""
        if not message:
            self._lose("the recorder is gone")
            return False
        try:
            said = handover.from_recorder(message)
        except ValueError:
            self.rejected += 1
            return True
        self._heard_at = now
        if isinstance(said, State):
            self.said, self.trouble = said, ""
        else:
            self._answer(said, now)
        return True

    def _answer(self, asked: Sign, now: float) -> None:
        if not self._budget.spend(now):
            self.rejected += 1
            return
        message = self._sign(asked.payload)
        self.rejected += not message
        self._tell(Signed(asked.payload, message))

    # --- its beginning and end ---

    def _begin(self, now: float) -> None:
        """To a service, or to a child; at most one attempt each AGAIN_MIN_S to AGAIN_MAX_S."""
        self._again_at, self._again_s = now + self._again_s, min(2 * self._again_s, AGAIN_MAX_S)
        try:
            self._socket = self._connected() if self._is_there() or not self._recorder.words else self._started()
        except OSError as error:  # the unit restarts, or there is no memory or descriptor left: it may pass
            self._be_in_trouble(f"no recorder can be reached: {error.strerror or error}")
            return
        if self._socket is None or self._session is None:
            return
        self._since = self._heard_at = now
        self._out.connect(self._socket)
        self._tell(self._session, *self._current.values())

    def _is_there(self) -> bool:
        """Whether the socket of a service is there for our user."""
        with contextlib.suppress(OSError):
            return self._recorder.service is not None and self._recorder.service.is_socket()
        return False

    def _connected(self) -> socket.socket:
        end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            _prepare(end)
            end.connect(str(self._recorder.service))
        except OSError:
            end.close()
            raise
        return end

    def _started(self) -> socket.socket | None:
        """By exec: it inherits one descriptor, no memory, and nothing of the environment that is for air alone."""
        if len(self._stuck) > STUCK_MAX:
            return None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {name: value for name, value in os.environ.items() if name not in _NOT_ITS_OWN}
        with theirs:
            try:
                _prepare(ours)
                self._child = subprocess.Popen(  # noqa: S603 - our own program, and no shell
                    [*self._recorder.words, "--fd", str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    env=environment,
                    start_new_session=True,  # Ctrl-C is for air, which then says that the session is over
                )
            except OSError:
                ours.close()
                raise
        return ours

    def _lose(self, trouble: str) -> None:
        """It is of no use any more: the next one does not wait for what this one still does."""
        self._be_in_trouble(trouble)
        child = self._child
        self._leave()
        if child is not None:
            with contextlib.suppress(OSError):
                child.kill()

    def _be_in_trouble(self, trouble: str) -> None:
        if trouble != self.trouble:
            self.trouble = trouble
            self._say(f"{trouble} (retrying)")

    def _leave(self) -> None:
        """Close the connection. A child that has still something to write does that, and ends by itself."""
        if self._socket is not None:
            self._out.connect(None)
            self._socket.close()
        self._socket, self.said = None, None
        if self._child is not None and self._child.poll() is None:
            self._stuck.append(self._child)
        self._child = None


def recorder(config: Path | None, usual: str, named: Path | None = None) -> Recorder:
    """That of an air with the settings of `config`, which records in the folder `usual`.

    `named`: a folder that a person named instead on the command line, where no service records; ConfigError if none can be
    there. In the service of the package a recorder has a unit of its own, which may begin later than air.
    """
    if os.environ.get("RUNTIME_DIRECTORY") == str(AIR_SERVICE):
        if named:
            raise ConfigError("zegel-recorder.service records for this service", hint="sudo zegel setup air --record DIR")
        return Recorder(folder=usual)
    where = str(folder.made(named)) if named else usual
    words = [sys.executable, "-P", "-m", "gateway.cli", "recorder", *(["--config", str(config)] if config else [])]
    return Recorder([*words, "--folder", where], None if named else SERVICE, where)


def _prepare(end: socket.socket) -> None:
    end.setblocking(False)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
