"""The flight controller through a real pseudo-terminal. Its clock is an argument, so nothing here waits for it."""

from __future__ import annotations

import fcntl
import os
import random
import select
import struct
import termios
import tty

import pytest
from pymavlink.dialects.v20 import ardupilotmega

from firmware_shims import mavlink
from gateway.demo.flight import BAUD, FlightController, recorded_flight
from gateway.demo.ledger import Ledger
from tests.memory_link import mavlink_frame

PATIENCE_S = 5.0  # for bytes that must come
QUIET_S = 0.05  # for bytes that must not
TIOCGEXCL = 0x80045440  # Linux, asm-generic/ioctls.h; not in the module termios


@pytest.fixture
def log():
    rng = random.Random(1)
    return [(seq * 0.01, mavlink_frame(rng, seq)) for seq in range(200)]


@pytest.fixture
def make():
    made = []

    def controller(log=None) -> FlightController:
        made.append(FlightController(log))
        return made[-1]

    yield controller
    for one in made:
        one.close()


class Reader:
    """Whoever has the line open; sets no mode, since the line is raw already."""

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def read(self, size: int) -> bytes:
        """What comes, until `size` bytes are there or nothing more comes."""
        out = b""
        while len(out) < size and select.select([self.fd], (), (), PATIENCE_S)[0]:
            out += os.read(self.fd, size - len(out))
        return out

    def silent(self) -> bool:
        return not select.select([self.fd], (), (), QUIET_S)[0]

    def close(self) -> None:
        os.close(self.fd)


def play(controller: FlightController, begin: float, seconds: float) -> float:
    for step in range(round(seconds * 1000)):
        controller.play(begin + step / 1000)
    return begin + seconds


def test_the_recorded_flight_is_a_flight():
    log = recorded_flight()
    parser = ardupilotmega.MAVLink(None)
    messages = [parser.decode(bytearray(frame)) for _, frame in log]  # raises on a wrong checksum
    beats = [m for m in messages if m.get_type() == "HEARTBEAT"]
    heights = [m.relative_alt for m in messages if m.get_type() == "GLOBAL_POSITION_INT"]
    assert {m.get_srcSystem() for m in messages} == {4}
    armed = [bool(m.base_mode & 0x80) for m in beats]
    assert armed == sorted(armed[: len(armed) // 2]) + sorted(armed[len(armed) // 2 :], reverse=True)
    assert any(armed)
    assert (round(heights[0] / 1000), round(max(heights) / 1000), round(heights[-1] / 1000)) == (0, 18, 0)
    times = [when for when, _ in log]
    assert times == sorted(times)


def test_no_frame_is_missing_in_the_recording_nor_between_rounds():
    sequence = [mavlink.key(frame)[2] for _, frame in recorded_flight()]
    assert all((after - before) % 256 == 1 for before, after in zip(sequence, sequence[1:] + sequence[:1], strict=True))


def test_what_was_sent_arrives_byte_for_byte(make):
    controller = make()
    reader, framer, got, now = Reader(controller.path), mavlink.Framer(), [], 0.0
    for _ in range(30):
        before = len(controller.sent)
        now = play(controller, now, 0.1)
        got += framer.feed(reader.read(sum(len(frame) for _, frame in controller.sent[before:])))
    got += framer.end_of_burst()
    assert len(got) > 700
    assert got == controller.frames_sent()
    reader.close()


def test_it_keeps_the_pace_of_the_line(make, log):
    """A burst in the log leaves no faster than 921,600 baud."""
    controller = make([(0.0, frame) for _, frame in log])
    now = 100.0
    for _ in range(20):
        now = play(controller, now, 0.001)
        assert sum(map(len, controller.frames_sent())) * 10 <= (now - 100.0) * BAUD
    assert controller.sent


def test_it_starts_again_at_the_end(make, log):
    controller = make(log[:20])
    play(controller, 0.0, 1.0)
    frames = [frame for _, frame in log[:20]]
    assert controller.frames_sent()[:60] == frames * 3


def test_after_a_pause_it_goes_on_where_it_was(make, log):
    controller = make(log)
    now = play(controller, 0.0, 0.5)
    before = len(controller.sent)
    play(controller, now + 60, 0.5)
    assert before == len(controller.sent) - before
    assert controller.frames_sent() == [frame for _, frame in log[: 2 * before]]


def test_a_program_that_opens_the_line_hears_nothing_that_was_sent_before(make, log):
    controller = make(log)
    now = play(controller, 0.0, 0.5)
    unheard = len(controller.sent)
    assert unheard > 40
    reader = Reader(controller.path)
    assert reader.silent()
    play(controller, now, 0.5)
    expected = b"".join(controller.frames_sent()[unheard:])
    assert reader.read(len(expected)) == expected
    reader.close()


def test_what_a_reader_left_unread_is_gone_and_the_line_still_raw(make, log):
    controller = make(log)
    reader = Reader(controller.path)
    now = play(controller, 0.0, 0.5)
    reader.close()
    now = play(controller, now, 0.01)
    reader = Reader(controller.path)
    assert reader.silent()
    input_flags, _, _, local_flags, *_ = tty.tcgetattr(reader.fd)
    assert not input_flags & (tty.ICRNL | tty.IXON | tty.ISTRIP)
    assert not local_flags & (tty.ICANON | tty.ECHO | tty.ISIG)
    before = len(controller.sent)
    play(controller, now, 0.5)
    expected = b"".join(controller.frames_sent()[before:])
    assert reader.read(len(expected)) == expected
    reader.close()


def test_a_program_that_took_the_line_for_itself_does_not_shut_out_the_next(make, log):
    """As a killed gateway does. Only the superuser may open a terminal that is TIOCEXCL, so ask for the flag."""
    controller = make(log)
    reader = Reader(controller.path)
    fcntl.ioctl(reader.fd, termios.TIOCEXCL)
    controller.play(0.0)
    reader.close()
    controller.play(0.01)
    reader = Reader(controller.path)
    assert not struct.unpack("i", fcntl.ioctl(reader.fd, TIOCGEXCL, bytes(4)))[0]
    reader.close()


def test_a_full_line_never_cuts_a_frame(make):
    controller = make()
    reader = Reader(controller.path)
    now = play(controller, 0.0, 10.0)
    stuck = len(controller.sent)
    now = play(controller, now, 1.0)
    assert len(controller.sent) == stuck
    got = reader.read(sum(map(len, controller.frames_sent())))
    assert got == b"".join(controller.frames_sent())
    for _ in range(5000):
        now = play(controller, now, 0.001)
        got += reader.read(sum(map(len, controller.frames_sent())) - len(got))
    assert len(controller.sent) > stuck + 3000
    assert got == b"".join(controller.frames_sent())
    assert controller.frames_sent() == [frame for _, frame in recorded_flight()[: len(controller.sent)]]
    reader.close()


@pytest.mark.parametrize("seed", range(5))
def test_readers_come_and_go(make, seed):
    """Each hears a run of what was sent, unchanged and in order; nothing is heard twice."""
    rng = random.Random(seed)
    controller, got, now = make(), [], 0.0
    for _ in range(10):
        now = play(controller, now, rng.uniform(0.01, 0.4))
        reader, framer = Reader(controller.path), mavlink.Framer()
        for _ in range(rng.randrange(5)):
            before = len(controller.sent)
            now = play(controller, now, rng.uniform(0.0, 0.2))
            got += framer.feed(reader.read(sum(len(frame) for _, frame in controller.sent[before:])))
        got += framer.end_of_burst()
        now = play(controller, now, rng.uniform(0.0, 0.1))
        reader.close()
    match = Ledger().match(controller.sent, got)
    assert match.exact
    assert match.lost == len(controller.sent) - len(got) > 0
