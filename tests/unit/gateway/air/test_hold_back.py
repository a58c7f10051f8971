from __future__ import annotations

import pytest

from gateway.air import hold_back
from gateway.air.hold_back import HELD_S, HOLD_FOR_S, READS_MAX, HoldBack
from gateway.batch import ROOM, Batch
from gateway.config import WIDE_BPS
from gateway.core.bundle import FRAMES_MAX, Bundler
from gateway.core.wire import LINK_MTU
from gateway.endpoint_state import State
from gateway.endpoints import open_endpoint
from gateway.endpoints.address import parse
from gateway.endpoints.endpoint import BUFFER
from gateway.loop.frame_reader import BATCHES_A_READ
from tests.unit.gateway.plain_end import PlainEnd

NARROW_BPS = 57_600 * 8 // 10
FRAME = b"\xfd" + bytes(11) + bytes(28)
TCP, UDP = "tcp:127.0.0.1:5760", "udpin:127.0.0.1:14560"


def made(text: str, link_bps: int = NARROW_BPS, *, up: bool = True) -> tuple[HoldBack, Bundler]:
    link = PlainEnd()
    link.state = State.CONNECTED if up else State.RECONNECTING
    return HoldBack(open_endpoint(parse(text)), [link], link_bps), Bundler(LINK_MTU, (), 0.0)


def test_what_the_system_keeps_and_what_is_read_at_a_time_follow_the_rate_of_the_link():
    fc = open_endpoint(parse(TCP))
    assert HoldBack(fc, [], NARROW_BPS).reads == 1
    assert (fc.buffer, fc.portion) == (1440, 288)
    fc = open_endpoint(parse(TCP))
    assert HoldBack(fc, [], WIDE_BPS).reads == READS_MAX
    assert (fc.buffer, fc.portion) == (250_000, ROOM)
    for other in (UDP, "serial:/dev/ttyAMA0:57600"):  # nothing makes their senders wait
        fc = open_endpoint(parse(other))
        assert HoldBack(fc, [], NARROW_BPS).reads == BATCHES_A_READ
        assert (fc.buffer, fc.portion) == (BUFFER, ROOM)


@pytest.mark.parametrize("link_bps", [NARROW_BPS, WIDE_BPS])
def test_a_sender_waits_while_a_portion_waits_for_the_link(link_bps: int):
    hold, bundler = made(TCP, link_bps)
    portion = 288 if link_bps == NARROW_BPS else READS_MAX * ROOM
    while not hold.holds(bundler, 0.0):
        bundler.add([FRAME], 0.0)
        hold.was_read(portion)
    assert portion <= bundler.waiting < portion + len(FRAME)
    while bundler.waiting:
        bundler.bundle_into(Batch(), 0.0)
    assert not hold.holds(bundler, 0.0)


def test_no_sender_waits_where_no_link_is_up():
    """What comes is dropped as late, so that what comes when one is up again is recent."""
    hold, bundler = made(TCP, up=False)
    bundler.add([FRAME] * 100, 0.0)
    assert not hold.holds(bundler, 0.0)


def test_a_sender_that_never_adapts_is_read_after_a_while_until_nothing_waits():
    hold, bundler = made(TCP)
    bundler.add([FRAME] * 100, 0.0)
    assert hold.waits_s(5.0) == 0
    assert hold.holds(bundler, 5.0)
    hold.was_read(288)
    assert hold.waits_s(9.0) == 4
    assert hold.holds(bundler, 5.0 + HOLD_FOR_S - 0.1)
    for now in (5.0 + HOLD_FOR_S, 6.0 + HOLD_FOR_S):
        assert not hold.holds(bundler, now)
        hold.was_read(288)
    hold.was_read(287)
    assert hold.waits_s(7.0 + HOLD_FOR_S) == 0
    assert hold.holds(bundler, 7.0 + HOLD_FOR_S)


def test_a_datagram_of_many_frames_is_bundled_before_the_next_is_read():
    hold, bundler = made(UDP)
    bundler.add([FRAME] * 512, 0.0)
    assert not hold.holds(bundler, 0.0)
    bundler.add([FRAME] * 512, 0.0)
    assert hold.holds(bundler, 0.0)
    assert hold.waits_s(9.0) == 0, "its sender does not wait"
    assert bundler.late == 0
    assert FRAMES_MAX * 8 >= hold_back.READS_MAX * ROOM, "no frame is shorter than 8 bytes"


def test_the_time_that_the_sender_was_made_to_wait_makes_no_frame_late():
    hold, _ = made(TCP)
    assert [hold.since(waited, 10.0) for waited in (0.0, HELD_S, HELD_S + 0.5)] == [10.0, 10.0, 9.5]
    hold, _ = made(UDP)
    assert [hold.since(waited, 10.0) for waited in (0.0, 0.5)] == [10.0, 9.5]
