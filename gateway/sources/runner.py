"""Runner: keeps one command running, without end. A command that ends, or hangs without ending, is started again.

What lives here: when a command is started and ended. What must not: its processes (processes.py), its output's meaning.

A camera that was unplugged comes back by itself: programs such as ffmpeg then often hang and do not end, so a command that
is silent for `SILENT_S` is ended too. Before its first output it may need longer; how long is learnt. A limit that is too
short would end every start, so some starts in a row without output get more time.
"""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Callable, Sequence
from pathlib import PurePath

from gateway import clock
from gateway.errors import ConfigError
from gateway.report.source_status import State
from gateway.sources import processes
from gateway.sources.allowance import STREAM_PER_S
from gateway.sources.output import ERRORS_PER_S, LastLine, Pipe
from gateway.sources.processes import Started

SILENT_S = 3.0
FIRST_LIMITS_S = (3.0, 6.0, 12.0)  # for the first output, in turn
KNOWN_LIMITS_S = (3.0, 3.0, 3.0, 12.0)  # the same, once there was output
PAUSE_MIN_S, PAUSE_MAX_S = 0.5, 2.0
GRACE_S = 0.3  # between SIGTERM, by which an RTSP server is told, and SIGKILL
KILLED_WITHIN_S = 1.0
LOOK_S = 0.1
CLOSED_S = 0.2  # a child that ends closes its output first
VARIES = re.compile(r"0x[0-9a-f]+|\d+")  # in two messages about the same fault

# The list of arguments, what is on the standard input, and what no message may show.
Words = Callable[[], tuple[Sequence[str], bytes | None, tuple[str, ...]]]


class Runner:
    """`take` gets the output; None: what the command gives comes by another way, and `heard` is called then.
    `began` is called before each start; `say` gets a line for the log.

    OSError and ConfigError of `words` count as an error of the command.
    """

    def __init__(
        self,
        name: str,
        words: Words,
        take: Callable[[bytes], None] | None,
        began: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self._name, self._words, self._take, self._began, self._say = name, words, take, began, say
        self.state = State.STARTING
        self.last_error = ""
        self.starts = 0
        self._program = ""
        self._begun = clock.now()
        self._told = ""  # the error that the log has
        self._heard: float | None = None  # of this start
        self._first_s: float | None = None  # what the first output needed last
        self._fruitless = 0  # starts without output in a row

    @property
    def restarts(self) -> int:
        return max(0, self.starts - 1)

    def heard(self) -> None:
        """Something came from the command, by its output or by another way."""
        now = clock.now()
        if self._heard is None:
            self._first_s = now - self._begun
            self._fruitless = 0
        self._heard = now
        self.state = State.BRINGING
        if self._told and now - self._begun > SILENT_S:  # one that comes and goes fills no log
            self._say(f"{self._name} brings pictures again")
            self._told = ""

    async def run(self) -> None:
        """Until it is cancelled; then nothing of the command runs any more."""
        pause = PAUSE_MIN_S / 2
        while True:
            ended = self._begun = clock.now()
            try:
                started, line = self._start()
            except ConfigError as fault:
                error = str(fault)
            except OSError as fault:
                error = f"{fault.filename or 'the system'}: {fault.strerror}"
            else:
                error, ended = await self._to_its_end(started, line)
            lasted = self._heard is not None and ended - self._begun > SILENT_S
            pause = PAUSE_MIN_S if lasted else min(2 * pause, PAUSE_MAX_S)
            self._failed(error)
            await asyncio.sleep(max(0.0, ended + pause - clock.now()))

    def _failed(self, error: str) -> None:
        self.state, self.last_error = State.WAITING, error
        if (kind := VARIES.sub("#", error)) != self._told:
            self._told = kind
            self._say(f"{self._name}: {error}; it is started again")

    def _start(self) -> tuple[Started, LastLine]:
        """ConfigError, OSError."""
        self._heard = None
        self.state = State.STARTING
        words, given, secrets = self._words()
        self._program = PurePath(words[0]).name
        self._began()
        self.starts += 1
        try:
            started = Started(words, f"{self._name}.{self.starts}", given, reads=self._take is not None)
        except FileNotFoundError:
            raise ConfigError(f"there is no program {words[0]}") from None
        return started, LastLine(secrets)

    async def _to_its_end(self, started: Started, line: LastLine) -> tuple[str, float]:
        """Why it ended, and when."""
        pipes = [Pipe(started.err, line.feed, ERRORS_PER_S)]
        if started.out is not None:
            pipes.append(Pipe(started.out, self._came, STREAM_PER_S))
        reason = ""
        try:
            reason = await self._until_its_end(started, pipes)
            at = clock.now()
        finally:
            await _end(started, pipes)
        return f"{self._program} {reason or started.status}" + (f": {line}" if str(line) else ""), at

    def _came(self, data: bytes) -> None:
        self.heard()
        if self._take is not None:
            self._take(data)

    async def _until_its_end(self, started: Started, pipes: Sequence[Pipe]) -> str:
        """Why it must end; empty if it has ended by itself."""
        begun, closed_at = self._begun, None
        limits = FIRST_LIMITS_S if self._first_s is None else KNOWN_LIMITS_S
        limit = max(limits[self._fruitless % len(limits)], 2 * (self._first_s or 0.0))
        while not await _ends_within(started.fd, LOOK_S):
            now = clock.now()
            if self._take is not None and pipes[-1].ended:
                closed_at = closed_at or now
                if now - closed_at > CLOSED_S:
                    return "has closed its output"
            if self._heard is None and now - begun > limit:
                self._fruitless += 1
                return f"gave nothing in {limit:.0f} s"
            if self._heard is not None and now - self._heard > SILENT_S:
                return f"gave nothing for {SILENT_S:.0f} s"
        self._fruitless += self._heard is None
        return ""


async def _ends_within(fd: int, seconds: float) -> bool:
    """Whether the process of this descriptor ends in that time."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, _settle, ended)
    try:
        # Not wait_for, which before Python 3.12 loses a cancellation that comes together with the end.
        await asyncio.wait((ended,), timeout=seconds)
    finally:
        loop.remove_reader(fd)
    return ended.done()


def _settle(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)


async def _end(started: Started, pipes: Sequence[Pipe]) -> None:
    """All of it. Also when we are cancelled, so that nothing is left running."""
    started.end(signal.SIGTERM)
    try:
        await _ends_within(started.fd, GRACE_S)
    finally:
        started.end(signal.SIGKILL)
        try:
            await _ends_within(started.fd, KILLED_WITHIN_S)
        finally:
            for pipe in pipes:
                pipe.rest()
                pipe.close()
            started.close()
            processes.sweep()
