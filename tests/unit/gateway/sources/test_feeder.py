"""The socket of a vendor's process: a real one, in the test's own loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_shims.vendor_feed import RECORD_MAX, Kind, Record, make
from gateway import clock
from gateway.report.source_status import State
from gateway.sources.allowance import AGAIN_S, STREAM_PER_S
from gateway.sources.feeder import LOCKED, RECORD_COST, Feeder

WITHIN_S = 10.0


class Fed:
    """A feeder, and what came of it. `act` gets it and its loop's steps."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.came, self.said, self.begun = bytearray(), list[str](), 0
        self.feeder: Feeder

    def run(self, act: Callable[[Fed], object]) -> None:
        asyncio.run(self._run(act))

    async def _run(self, act: Callable[[Fed], object]) -> None:
        self.feeder = Feeder("psdk", self.folder, self.came.extend, self._began, self.said.append)
        task = asyncio.create_task(self.feeder.run())
        await asyncio.to_thread(act, self)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not self.feeder.path.exists()

    def _began(self) -> None:
        self.begun += 1

    def connect(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        made.settimeout(WITHIN_S)
        made.connect(str(self.feeder.path))
        return made


def until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + WITHIN_S
    while not done() and time.monotonic() < end:
        time.sleep(0.005)
    assert done()


def record(number: int, body: bytes = b"picture", kind: Kind = Kind.PICTURE) -> bytes:
    return make(Record(kind, number, 0, body))


def test_pictures_pass_whole_and_what_the_program_dropped_is_counted(tmp_path):
    def act(fed: Fed) -> None:
        with fed.connect() as made:
            made.send(record(0, b"one"))
            made.send(record(1, b"two"))
            made.send(record(5, b"three"))
            made.send(record(6, b"\x07\x00abc", Kind.TELEMETRY))
            made.send(record(7, b"waits", Kind.STATUS))
            until(lambda: fed.feeder.last_error == "it says: waits")
            assert fed.feeder.state is State.BRINGING
        until(lambda: fed.feeder.state is State.WAITING)

    fed = Fed(tmp_path)
    fed.run(act)
    assert bytes(fed.came) == b"onetwothree"
    assert (fed.feeder.missing, fed.feeder.topics, fed.begun) == (3, {7: 1}, 1)


@pytest.mark.parametrize(
    ("packet", "said"),
    [(b"rubbish", "at least 16 bytes"), (record(0, b"x", Kind.TELEMETRY), "too short"), (bytes(RECORD_MAX + 1), "at most")],
)
def test_a_record_that_breaks_a_rule_ends_the_connection_and_the_next_one_is_taken(tmp_path, packet, said):
    def act(fed: Fed) -> None:
        with fed.connect() as made:
            made.send(packet)
            with contextlib.suppress(ConnectionResetError):
                assert made.recv(1) == b""
        with fed.connect() as made:
            made.send(record(0))
            until(lambda: bool(fed.came))

    fed = Fed(tmp_path)
    fed.run(act)
    assert said in fed.said[0]
    assert (bytes(fed.came), fed.feeder.restarts) == (b"picture", 1)


def test_a_second_program_is_disconnected_and_the_first_goes_on(tmp_path):
    def act(fed: Fed) -> None:
        with fed.connect() as first:
            first.send(record(0))
            until(lambda: bool(fed.came))
            with fed.connect() as second, contextlib.suppress(ConnectionResetError):
                assert second.recv(1) == b""
            first.send(record(1, b" goes on"))
            until(lambda: fed.came.endswith(b" goes on"))

    Fed(tmp_path).run(act)


def test_no_other_user_may_connect_where_there_is_no_group_for_jails(tmp_path, monkeypatch):
    monkeypatch.setattr("gateway.sources.feeder.GROUP", "no such group")
    modes = []
    Fed(tmp_path).run(lambda fed: modes.append(stat.S_IMODE(fed.feeder.path.stat().st_mode)))
    assert modes == [LOCKED]


def test_numbers_that_go_back_are_no_gap(tmp_path):
    def act(fed: Fed) -> None:
        with fed.connect() as made:
            for number in (7, 7, 3, 2**32 - 1, 1, 2):
                made.send(record(number, str(number).encode(), Kind.STATUS))
            until(lambda: fed.feeder.last_error == "it says: 2")
            assert fed.feeder.missing == 1

    Fed(tmp_path).run(act)


def test_short_records_cost_their_time(tmp_path, monkeypatch):
    """Without a limit on their number they take the processor of the other sources."""
    fits = STREAM_PER_S // RECORD_COST
    monkeypatch.setattr(clock, "now", lambda: 1000.0)

    def act(fed: Fed) -> None:
        with fed.connect() as made:
            made.setblocking(False)
            number, end = 0, time.monotonic() + WITHIN_S
            while fed.feeder.topics.total() < fits and time.monotonic() < end:
                with contextlib.suppress(BlockingIOError):
                    made.send(record(number, b"\7\0x", Kind.TELEMETRY))
                    number += 1
            time.sleep(3 * AGAIN_S)
            assert fed.feeder.topics.total() == fits

    Fed(tmp_path).run(act)


def test_connections_without_end_have_a_rate(tmp_path):
    def act(fed: Fed) -> None:
        made, begun = 0, time.monotonic()
        while made < 12 and time.monotonic() < begun + WITHIN_S:
            try:
                with fed.connect():
                    made += 1
            except BlockingIOError:  # as many as may wait do wait
                time.sleep(AGAIN_S / 10)
        assert made == 12
        assert time.monotonic() - begun >= 8 * AGAIN_S

    Fed(tmp_path).run(act)
