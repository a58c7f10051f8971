from __future__ import annotations

import contextlib
import fcntl
import os
import random
import struct
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.batch import CAPACITY, Batch
from gateway.endpoints import Endpoint, open_endpoint
from gateway.endpoints.address import parse
from tests.unit.gateway.endpoints.wires import batch_of, framed, indexes, opened, read_all, received_bytes, until

TIOCGEXCL = 0x80045440  # Linux: whether TIOCEXCL is in force


class Cable:
    """A pseudo-terminal behind a name that stays: `plug` makes a new one, `unplug` takes it away."""

    def __init__(self, name: Path) -> None:
        self.name = name
        self.plug()

    def plug(self) -> None:
        self.far, near = os.openpty()
        os.set_blocking(self.far, False)
        self.name.unlink(missing_ok=True)
        self.name.symlink_to(os.ttyname(near))
        os.close(near)

    def unplug(self) -> None:
        os.close(self.far)
        self.name.unlink()


@pytest.fixture
def cable(tmp_path) -> Iterator[Cable]:
    made = Cable(tmp_path / "ttyFC")
    yield made
    with contextlib.suppress(OSError):
        os.close(made.far)


@pytest.fixture
def make(cable) -> Iterator[Callable[[], Endpoint]]:
    made: list[Endpoint] = []

    def one() -> Endpoint:
        made.append(open_endpoint(parse(f"serial:{cable.name}:921600")))
        return made[-1]

    yield one
    for endpoint in made:
        endpoint.close()


def test_every_byte_both_ways(cable, make):
    line = opened(make())
    assert (line.stream, line.state, line.connection) == (True, "connected", 1)
    every = bytes(range(256)) * 8
    os.write(cable.far, every)
    assert received_bytes(line, len(every)) == every
    line.send(batch_of([every[:280], b"", every[280:1000]]), 0.0)
    assert read_all(cable.far) == every[:1000]
    assert (line.counters.rx_bytes, line.counters.tx_bytes, line.counters.tx_datagrams) == (2048, 1000, 3)
    assert line.receive_into(Batch(), 0.0) == 0
    assert line.state == "connected"  # silence is not the end


def test_eight_bits_no_parity_one_stop_bit_raw_and_the_rate_asked_for(cable, make):
    opened(make())
    attributes = termios.tcgetattr(cable.far)
    control = attributes[2]
    assert control & termios.CSIZE == termios.CS8
    assert not control & (termios.PARENB | termios.CSTOPB | termios.CRTSCTS)
    assert not attributes[0] & (termios.IXON | termios.IXOFF | termios.ICRNL | termios.ISTRIP)
    assert attributes[4:6] == [termios.B921600, termios.B921600]


def test_unplugged_and_plugged_in_again(cable, make):
    line = opened(make())
    for number, now in ((2, 10.0), (3, 20.0)):
        os.write(cable.far, b"half a fra")
        cable.unplug()
        until(lambda now=now: line.receive_into(Batch(), now) == 0 and line.state == "reconnecting")
        assert "is gone: was it unplugged?" in line.last_error
        assert line.interests() == []
        line.send(batch_of([b"x"]), now)
        assert line.counters.dropped_tx == number - 1
        line.tick(now + 5)
        assert "does not exist: is it plugged in?" in line.last_error
        cable.plug()
        line.tick(now + 5.01)  # not before a pause
        assert line.state == "reconnecting"
        line.tick(now + 8)
        assert (line.state, line.connection, line.counters.reopened) == ("connected", number, number - 1)
        os.write(cable.far, b"a new begin")
        assert received_bytes(line, 11, now) == b"a new begin"


def test_an_end_that_is_met_while_writing(cable, make):
    line = opened(make())
    cable.unplug()
    until(lambda: line.send(batch_of([b"frame"]), 0.0) or line.state == "reconnecting")
    assert line.interests() == []


def test_a_port_that_another_has_is_refused_and_taken_when_it_is_free(make):
    first, second = opened(make()), make()
    second.tick(0.0)
    assert second.state == "reconnecting"
    assert "is in use by another program" in second.last_error
    first.close()
    second.tick(1.0)
    assert second.state == "connected"


def test_a_pseudo_terminal_is_not_left_locked(cable, make):
    """TIOCEXCL, which a UART forgets when it is closed, would stay as long as the cable's far end."""
    opened(make())
    near = os.open(cable.name, os.O_RDWR | os.O_NOCTTY)
    assert struct.unpack("i", fcntl.ioctl(near, TIOCGEXCL, bytes(4))) == (0,)
    os.close(near)


def test_a_file_that_is_no_serial_line(tmp_path):
    path = tmp_path / "log.bin"
    path.write_bytes(b"")
    line = open_endpoint(parse(f"serial:{path}:57600"))
    for now in (0.0, 1.0):
        line.tick(now)
        assert line.state == "reconnecting"
        assert str(path) in line.last_error
    line.close()


def test_a_slow_line_loses_whole_frames(cable, make):
    line, rng, stream = opened(make()), random.Random(7), bytearray()
    now, sent = 0.0, 0
    for _ in range(200):
        frames = [framed(rng, sent + index) for index in range(rng.randrange(1, CAPACITY))]
        sent += len(frames)
        line.send(batch_of(frames), now)
        now += rng.choice((0.0, 0.1, 0.7))
        line.receive_into(Batch(), now)
        if rng.random() < 0.6:
            with contextlib.suppress(BlockingIOError):
                stream += os.read(cable.far, rng.randrange(1, 3000))

    def drained() -> bool:
        line.receive_into(Batch(), now)
        stream.extend(read_all(cable.far))
        return line.interests()[0][1] == 1 and line.counters.tx_bytes == len(stream)

    until(drained)
    got = indexes(bytes(stream))
    assert got == sorted(set(got))
    assert 0 < line.counters.late_drop < sent
    assert len(got) + line.counters.late_drop == sent


def test_what_waits_for_the_line_is_told_in_seconds_of_its_rate(cable, make):
    line = opened(make())
    assert (line.bytes_per_s, line.backlog_s(0.0)) == (92_160, 0)
    line.send(batch_of([bytes(922)]), 1.0)
    assert line.backlog_s(1.0) == pytest.approx(0.01, rel=0.01)  # although the driver has taken all of it
    assert line.backlog_s(1.005) == pytest.approx(0.005, rel=0.01)
    assert line.backlog_s(1.02) == 0
    for _ in range(10):
        line.send(batch_of([bytes(1000)] * CAPACITY), 2.0)
    assert line.backlog_s(2.0) == pytest.approx(10 * CAPACITY * 1000 / 92_160)
    assert line.backlog_s(1000.0) > 0  # a line that stands still does not become free by waiting
    cable.unplug()
    until(lambda: line.receive_into(Batch(), 0.0) == 0 and line.state == "reconnecting")
    assert line.backlog_s(1000.0) == 0


def test_what_became_late_is_not_sent_when_the_line_moves_again(cable, make):
    line, rng, stream = opened(make()), random.Random(8), bytearray()
    for begin in range(0, 10 * CAPACITY, CAPACITY):
        line.send(batch_of([framed(rng, index) for index in range(begin, begin + CAPACITY)]), 0.0)
    assert line.interests()[0][1] == 5  # the line is full
    at_first = line.counters.tx_datagrams

    def drained() -> bool:
        stream.extend(read_all(cable.far))
        line.receive_into(Batch(), 1.1)
        return line.counters.tx_bytes == len(stream)

    until(drained)
    assert indexes(bytes(stream)) == list(range(at_first + 1))  # and the one that had begun
    assert line.counters.late_drop == 10 * CAPACITY - at_first - 1
