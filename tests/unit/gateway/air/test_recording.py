"""What a real air hands to a recorder: all that came, as it came, whatever becomes of it on the way to the link."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_shims.guard import SETUP_SIGNING
from gateway import clock
from gateway.batch import ROOM
from gateway.demo.stage import HOST, free_port, udp_socket
from gateway.native.library import Library
from gateway.recording.group import Group, Port
from gateway.recording.settings import Record
from gateway.recording.stage import HAND_OVER_EVERY_S
from keys.policy import PolicyFlag
from tests.memory_link import mavlink_frame
from tests.stage_reader import Recorder
from tests.stepped_pair import SteppedPair, stepped_pair

RNG = random.Random(17)
PICTURE = [RNG.randbytes(size) for size in (1_177, 1_177, 700, 1, 0)]
TOO_LARGE = RNG.randbytes(ROOM)  # for the link, and not for a slot


class Flight:
    """A pair whose aircraft records, and its recorder."""

    def __init__(self, pair: SteppedPair) -> None:
        self.pair, self.recorder, self.recording = pair, Recorder(), pair.air.recording
        self.recording.is_on = True  # as with a recording key
        self.recording.want({*Group})
        self.recording.stages.connect(self.recorder.air)

    def film(self, *datagrams: bytes) -> None:
        self.pair.from_camera(*datagrams)
        self.pair.turn(self.pair.air)

    def recorded(self, group: Group = Group.VIDEO_A, count: int = 0) -> list[bytes]:
        """What came to the recorder by now, and at least so many."""
        limit = time.monotonic() + 20.0
        while True:
            time.sleep(HAND_OVER_EVERY_S)
            self.pair.turn(self.pair.air)
            self.recorder.read()
            if len(found := self.recorder.contents(group)) >= count or time.monotonic() > limit:
                return found


@pytest.fixture(params=["C", "Python"])
def flight(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flight]:
    if request.param == "C":
        request.getfixturevalue("sealing")
    more = (f"udpin:{HOST}:{free_port()}",)
    with stepped_pair(tmp_path, native=request.param == "C", record=Record(video=more)) as pair:
        pair.turn(pair.air)  # opens the endpoints
        made = Flight(pair)
        yield made
        for end in (made.recorder.air, made.recorder.made):
            end.close()


def test_each_datagram_of_a_camera_is_recorded_as_it_came(flight: Flight):
    sent: list[bytes] = []
    for _ in range(20):
        flight.film(*PICTURE)
        sent += PICTURE
    assert flight.recorded(count=len(sent)) == sent
    records = flight.recorder.records[Group.VIDEO_A]
    assert {record.port for record in records} == {Port.VIDEO_A}
    times = [record.time_ns / 1e9 + flight.pair.air.announcer.began for record in records]
    assert times == sorted(times)
    assert times[-1] <= clock.now()


def test_what_no_link_carries_is_recorded_too(flight: Flight):
    """Too large for it; while it is down; of a lane that no station may see; and with padding, without it."""
    (link,), announcer = flight.pair.air.links, flight.pair.air.announcer
    flight.film(b"before")
    flight.film(TOO_LARGE)
    link._lost(OSError(101, "no network"), clock.now())
    link._retry_at = float("inf")
    flight.film(b"no link")
    link._retry_at = 0.0
    keys = {**announcer.current.send_keys}
    announcer.current.send_keys.clear()
    flight.film(b"no reader")
    announcer.current.send_keys.update(keys)
    object.__setattr__(flight.pair.air.order.content.policy, "flags", PolicyFlag.PAD_VIDEO)
    flight.pair.air._pad_video = True
    flight.film(b"padded")
    assert flight.recorded(count=5) == [b"before", TOO_LARGE, b"no link", b"no reader", b"padded"]


def test_what_fits_no_slot_is_counted(flight: Flight):
    flight.film(b"before", bytes(ROOM + 1), b"after")
    assert flight.recorded(count=2) == [b"before", b"after"]
    flight.recorded()
    assert flight.recorder.lost[Group.VIDEO_A] == 1


def test_frames_are_recorded_and_a_key_for_signing_is_not(flight: Flight):
    frames = [mavlink_frame(RNG, seq) for seq in range(30)]
    secret = bytearray(mavlink_frame(RNG, 31))
    secret[7:10] = SETUP_SIGNING.to_bytes(3, "little")
    secret[10:20] = b"a secret!!"
    flight.pair.from_fc(*frames[:10], bytes(secret), *frames[10:])
    found = flight.recorded(Group.FLIGHT, len(frames))
    assert [each for each in found if each in frames] == frames
    assert not any(b"a secret!!" in message for message in flight.recorder.messages)


def test_a_recorder_that_does_not_read_costs_only_what_is_counted(flight: Flight):
    """What leaves for the link is the same."""
    sent = 0
    for _ in range(200):
        flight.film(*[PICTURE[0]] * 30)
        sent += 30
        flight.pair.on_air()
    (camera,) = flight.pair.air.cameras
    flight.pair.air.plain_video.collect(clock.now(), flight.pair.air.announcer)
    came = camera.counters.rx_datagrams
    before, recorded = -1, 0
    while recorded > before:
        before, recorded = recorded, len(flight.recorded())
    assert recorded + flight.recorder.lost[Group.VIDEO_A] == came > sent / 2
    assert flight.recorder.lost[Group.VIDEO_A] > 0
    flight.film(b"goes on")
    assert flight.recorded()[-1] == b"goes on"


def test_pictures_are_left_out_from_a_pause_until_they_are_asked_for(flight: Flight):
    for number in range(30):
        flight.recording.want({*Group} if number % 10 < 5 else {Group.FLIGHT})
        flight.film(b"%d" % number, b"of the same picture")
    flight.recording.want({*Group})
    flight.film(b"last")
    recorded = [b"%d" % number for number in range(30) if number % 10 < 5]
    found = flight.recorded(count=2 * len(recorded) + 1)
    assert [each for each in found if each != b"of the same picture"] == [*recorded, b"last"]
    assert len(found) == 2 * len(recorded) + 1
    assert flight.recorder.lost[Group.VIDEO_A] == 0


def test_an_order_without_a_recording_key_ends_it_at_once(flight: Flight):
    for _ in range(5):
        flight.film(b"of the order before")
    flight.recorded(count=5)
    assert not flight.pair.air.order.content.recording
    flight.recording.begin(flight.pair.air.announcer)
    for _ in range(5):
        flight.film(b"of the next order")
    assert b"of the next order" not in flight.recorded()


def test_a_recorder_that_is_gone_stops_nothing_and_the_next_one_gets_what_waits(flight: Flight):
    for _ in range(5):
        flight.film(b"before")
    flight.recorded(count=5)
    flight.pair.on_air()
    flight.recorder.made.close()
    pictures = [b"%d" % number for number in range(10)]
    for picture in pictures:
        time.sleep(HAND_OVER_EVERY_S)
        flight.film(picture)
        assert flight.pair.on_air(), "the link has its own"
    assert flight.recording.stages.error
    flight.recorder.air.close()
    flight.recorder = Recorder()
    flight.recording.stages.connect(flight.recorder.air)
    assert flight.recorded(count=len(pictures)) == pictures


def test_a_camera_that_is_only_recorded(flight: Flight):
    (camera,) = flight.recording.only
    with udp_socket() as other:
        for datagram in PICTURE:
            other.sendto(datagram, (HOST, camera.address.port))
        assert flight.recorded(Group.CAMERA_C, len(PICTURE)) == PICTURE


def test_no_picture_wakes_python(flight: Flight, sealing: Library):
    """The wait in C seals, records and hands over."""
    air = flight.pair.air
    if air.plain_video.why_python:
        pytest.skip("Python's turns")
    for _ in range(3):
        flight.film(b"its sender is known")
    flight.recorded(count=3)
    (turn,) = air.plain_video._turns.values()
    before = len(flight.recorder.contents(Group.VIDEO_A))
    for number in range(5):
        flight.pair.from_camera(b"%d" % number)
        turn.seal._in_c.source.since = clock.now() + 60.0
        air._due = clock.now() + 2 * HAND_OVER_EVERY_S
        air._plain_turns()
        flight.recorder.read()
    assert flight.recorder.contents(Group.VIDEO_A)[before:] == [b"%d" % number for number in range(5)]
