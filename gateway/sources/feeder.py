"""Feeder: the socket of one vendor process, whose records bring pictures (firmware_shims/vendor_feed.py).

What lives here: one listening socket, and at most one connection, in asyncio. What must not: the form of a record.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from firmware_shims import vendor_feed
from firmware_shims.vendor_feed import Kind, Record, WrongRecord
from gateway import clock
from gateway.report.source_status import State
from gateway.sources.allowance import AGAIN_S, STREAM_PER_S, Allowance
from gateway.sources.runner import SILENT_S
from keys.printable import printable

if os.name == "posix":
    import grp

FOLDER, NAME = "feed", "socket"  # within the folder of the status sockets: feed/NAME/socket
GROUP = "zegel-feed"  # of the users of the jails; without it only our own user may connect
RECORD_COST = 1024  # bytes that a shorter record counts for: what it costs is the time for it, not its bytes
TOPICS_MAX = 256
PLACE_MODE, LOCKED, SHARED = 0o711, 0o600, 0o660


class Feeder:
    """`take` gets the bytes of pictures, `began` is called before the first of a connection."""

    def __init__(
        self, name: str, folder: Path, take: Callable[[bytes], None], began: Callable[[], None], say: Callable[[str], None]
    ) -> None:
        self._name, self._take, self._began, self._say = name, take, began, say
        self._loop = asyncio.get_running_loop()
        self.path = folder / FOLDER / name / NAME
        self._listening, fault = _listen(self.path)
        if fault:
            say(f"{name}: only programs of our own user may connect: {fault}")
        self._loop.add_reader(self._listening, self._accept)
        self._connection: socket.socket | None = None
        self._allowance = Allowance(STREAM_PER_S)
        self._again: asyncio.TimerHandle | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._number: int | None = None
        self.connections = self.missing = 0
        self.topics: Counter[int] = Counter()
        self.last_error = ""
        self._heard: float | None = None

    @property
    def restarts(self) -> int:
        return max(0, self.connections - 1)

    @property
    def state(self) -> State:
        if self._connection is None:
            return State.WAITING if self.connections else State.STARTING
        if self._heard is None:
            return State.STARTING
        return State.BRINGING if clock.now() - self._heard < SILENT_S else State.SILENT

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            await self._loop.create_future()
        finally:
            self._close()

    def _close(self) -> None:
        self._drop("")
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listening)
        self._listening.close()
        with contextlib.suppress(OSError):
            self.path.unlink()

    def _accept(self) -> None:
        try:
            made, _ = self._listening.accept()
        except OSError:
            return
        # A program that connects without end takes no processor from the other sources.
        self._loop.remove_reader(self._listening)
        self._pause = self._loop.call_later(AGAIN_S, self._loop.add_reader, self._listening, self._accept)
        if self._connection is not None:
            made.close()
            return
        made.setblocking(False)
        self._connection, self._number, self._heard = made, None, None
        self.connections += 1
        self._began()
        self._loop.add_reader(made, self._read)

    def _read(self) -> None:
        assert self._connection is not None
        if not self._allowance.is_left():
            self._loop.remove_reader(self._connection)
            self._again = self._loop.call_later(AGAIN_S, self._resume)
            return
        try:
            packet, _, flags, _ = self._connection.recvmsg(vendor_feed.RECORD_MAX)
        except BlockingIOError:
            return
        except OSError as error:
            self._drop(str(error.strerror))
            return
        self._allowance.use(max(len(packet), RECORD_COST))
        if not packet:
            self._drop("the vendor process has closed its connection")
        elif flags & socket.MSG_TRUNC:
            self._drop(f"a record has at most {vendor_feed.RECORD_MAX} bytes")
        else:
            self._take_record(packet)

    def _take_record(self, packet: bytes) -> None:
        try:
            record = vendor_feed.parse(packet)
        except WrongRecord as error:
            self._drop(str(error))
            return
        self._count(record)
        if record.kind is Kind.PICTURE:
            self._heard = clock.now()
            self._take(record.body)
        elif record.kind is Kind.STATUS:
            self.last_error = f"it says: {printable(record.body.decode())}"
        elif len(self.topics) < TOPICS_MAX or vendor_feed.topic(record) in self.topics:
            self.topics[vendor_feed.topic(record)] += 1

    def _count(self, record: Record) -> None:
        if self._number is not None:
            gap = (record.number - self._number - 1) % vendor_feed.NUMBERS
            self.missing += gap if gap < vendor_feed.NUMBERS // 2 else 0  # otherwise its numbers went back
        self._number = record.number

    def _resume(self) -> None:
        self._again = None
        if self._connection is not None:
            self._loop.add_reader(self._connection, self._read)

    def _drop(self, why: str) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None
        if self._connection is not None:
            self._loop.remove_reader(self._connection)
            self._connection.close()
            self._connection = None
        if why and why != self.last_error:
            self._say(f"{self._name}: {why}")
        self.last_error = why or self.last_error


def _listen(path: Path) -> tuple[socket.socket, str]:
    """A socket that our own user, and the jails by their group, may connect to; why the latter may not. OSError."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        for folder in (path.parent.parent, path.parent):
            folder.mkdir(exist_ok=True)
            folder.chmod(PLACE_MODE)
        path.unlink(missing_ok=True)
        made.bind(str(path))
        path.chmod(LOCKED)
        fault = _give(path)
        made.listen(1)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made, fault


def _give(path: Path) -> str:
    """To the jails, where there are any; why that failed."""
    try:
        os.chown(path, -1, grp.getgrnam(GROUP).gr_gid)
        path.chmod(SHARED)
    except KeyError:
        return ""
    except OSError as error:
        return str(error.strerror)
    return ""
