"""Stages and the socket to a recorder: what was added comes out, once, in order; what finds no room is counted."""

from __future__ import annotations

import errno
import random
import struct
from collections.abc import Iterator

import pytest

from gateway.batch import Batch
from gateway.recording import pcap
from gateway.recording.group import Group, Port
from gateway.recording.handover import DATA, HEAD, MESSAGE_MAX, Close, encode, from_air
from gateway.recording.stage import HAND_OVER_EVERY_S, MESSAGES, MESSAGES_OF_FLIGHT, SAID_MAX, Stages
from tests.stage_reader import Recorder, empty

BEGAN = 1_000.0
LATER = BEGAN + 3_600.0
SIZE = 1_200
SAID = Close(7, 1)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder()
    with made.air, made.made:
        yield made


@pytest.fixture
def stages(recorder: Recorder) -> Stages:
    return stages_of(recorder, Group.VIDEO_A, Group.VIDEO_B)


def stages_of(recorder: Recorder, *cameras: Group) -> Stages:
    made = Stages(cameras)
    made.begin(BEGAN)
    made.want(Group)
    made.connect(recorder.air)
    return made


def test_what_was_added_comes_out_with_its_time_and_port(stages: Stages, recorder: Recorder):
    stages.add(Group.FLIGHT, Port.TELEMETRY, [b"one", b"three"], BEGAN + 1.5)
    stages.add(Group.FLIGHT, Port.EVENT, [b"{}"], BEGAN + 2.0)
    stages.add(Group.VIDEO_A, Port.VIDEO_A, [b""], BEGAN - 1.0)
    empty(stages, recorder, LATER)
    assert recorder.records[Group.FLIGHT] == [
        (1_500_000_000, 14550, b"one"),
        (1_500_000_000, 14550, b"three"),
        (2_000_000_000, 14552, b"{}"),
    ]
    assert recorder.records[Group.VIDEO_A] == [(0, 5600, b"")]
    assert len(recorder.messages) == 2


def test_a_batch_of_any_sizes_is_in_the_records(stages: Stages, recorder: Recorder):
    rng, batch, sent = random.Random(17), Batch(), []
    for count in (1, 3, 16, 17, 64, 64, 64):
        datagrams = [rng.randbytes(rng.choice((0, 1, 700, SIZE, SIZE, SIZE, 1_984))) for _ in range(count)]
        batch.hold(datagrams)
        stages.add_batch(Group.VIDEO_B, Port.VIDEO_B, batch, BEGAN)
        sent += datagrams
    empty(stages, recorder, LATER)
    assert recorder.contents(Group.VIDEO_B) == sent


def test_messages_hold_whole_records(stages: Stages, recorder: Recorder):
    """The last one that fits fills a message to the last byte."""
    fits = MESSAGE_MAX - HEAD.size - pcap.OVERHEAD
    stages.add(Group.FLIGHT, Port.TELEMETRY, [bytes(fits), b"next", bytes(fits - 1), b"", bytes(fits)], BEGAN)
    empty(stages, recorder, LATER)
    assert [*map(len, recorder.contents(Group.FLIGHT))] == [fits, 4, fits - 1, 0, fits]
    assert len(recorder.messages[0]) == MESSAGE_MAX


def test_what_fits_no_message_is_lost(stages: Stages, recorder: Recorder):
    stages.add(Group.FLIGHT, Port.EVENT, [bytes(MESSAGE_MAX - HEAD.size - pcap.OVERHEAD + 1)], BEGAN)
    empty(stages, recorder, LATER)
    assert (recorder.lost[Group.FLIGHT], recorder.contents(Group.FLIGHT)) == (1, [])


def test_it_is_handed_over_at_most_every_20_ms(stages: Stages, recorder: Recorder):
    now = BEGAN
    for number in range(10):
        stages.add(Group.FLIGHT, Port.TELEMETRY, [b"%d" % number], now)
        stages.add(Group.VIDEO_A, Port.VIDEO_A, [b"%d" % number], now)
        stages.hand_over(now)
        now += HAND_OVER_EVERY_S / 3.9
    assert recorder.read() == 2 * 3
    empty(stages, recorder, LATER)
    assert len(recorder.contents(Group.FLIGHT)) == len(recorder.contents(Group.VIDEO_A)) == 10


@pytest.mark.parametrize("cameras", [1, 2, 4])
def test_of_a_recorder_that_does_not_read_each_loss_is_counted(recorder: Recorder, cameras: int):
    """And flight has memory that video cannot take."""
    groups = [*Group][1 : 1 + cameras]
    stages, sent, now = stages_of(recorder, *groups), 0, BEGAN
    for number in range(60 * MESSAGES):
        for group in groups:
            stages.add(group, 5600, [struct.pack("<I", number) + bytes(SIZE)] * 2, now)
        sent += 2
        if number % 10 == 0:
            stages.add(Group.FLIGHT, Port.TELEMETRY, [struct.pack("<I", number)], now)
        stages.hand_over(now)
        now += HAND_OVER_EVERY_S / 2
    empty(stages, recorder, LATER)
    for group in groups:
        assert len(recorder.contents(group)) + recorder.lost[group] == sent
        assert 0 < len(recorder.contents(group)) < sent
        numbers = [struct.unpack_from("<I", content)[0] for content in recorder.contents(group)]
        assert numbers == sorted(numbers)
    assert (len(recorder.contents(Group.FLIGHT)), recorder.lost[Group.FLIGHT]) == (6 * MESSAGES, 0)
    stages.add(Group.VIDEO_A, 5600, [b"after"], now)
    empty(stages, recorder, now + 3600.0)
    assert recorder.contents(Group.VIDEO_A)[-1] == b"after"


def test_a_loss_that_nothing_follows_is_told_too(stages: Stages, recorder: Recorder):
    stages.lose(Group.VIDEO_A, 3)
    stages.want([Group.FLIGHT])
    stages.lose(Group.VIDEO_A, 3)
    empty(stages, recorder, LATER)
    assert recorder.lost[Group.VIDEO_A] == 3
    assert [*map(len, recorder.messages)] == [HEAD.size]


def test_the_same_memory_is_used_again(stages: Stages, recorder: Recorder):
    """As long as the recorder keeps up, that of the first messages, which is in the processor's caches."""
    for number in range(10 * MESSAGES_OF_FLIGHT):
        stages.add(Group.FLIGHT, Port.TELEMETRY, [bytes(MESSAGE_MAX // 2)], BEGAN)
        empty(stages, recorder, BEGAN + number)
    assert len(recorder.contents(Group.FLIGHT)) == 10 * MESSAGES_OF_FLIGHT
    touched = [message for message in range(MESSAGES) if any(stages._memory[message * MESSAGE_MAX :][:1])]
    assert touched == [0]


def test_a_group_that_is_not_wanted_is_left_out(stages: Stages, recorder: Recorder):
    stages.want([Group.FLIGHT])
    stages.add(Group.VIDEO_A, Port.VIDEO_A, [b"pause"], BEGAN)
    stages.want(Group)
    stages.add(Group.VIDEO_A, Port.VIDEO_A, [b"go on"], BEGAN)
    empty(stages, recorder, LATER)
    assert recorder.contents(Group.VIDEO_A) == [b"go on"]


def test_a_structure_comes_between_what_came_before_it_and_after_it(stages: Stages, recorder: Recorder):
    stages.add(Group.FLIGHT, Port.TELEMETRY, [b"before"], BEGAN)
    stages.say(encode(SAID))
    stages.add(Group.FLIGHT, Port.TELEMETRY, [b"after"], BEGAN)
    empty(stages, recorder, LATER)
    before, said, after = recorder.messages
    assert (before[-6:], from_air(said), after[-5:]) == (b"before", SAID, b"after")


def test_a_structure_that_waits_goes_before_records(stages: Stages, recorder: Recorder):
    """So that no record of a session comes before its beginning."""
    while not stages._words[4]:
        stages.say(encode(SAID))
    stages.begin(BEGAN)
    stages.add(Group.FLIGHT, Port.TELEMETRY, [b"of the next session"], BEGAN)
    empty(stages, recorder, LATER)
    kinds = [message[0] for message in recorder.messages]
    assert kinds.index(DATA) == len(kinds) - 1


def test_a_recorder_that_takes_no_structure_is_an_error(stages: Stages):
    for _ in range(SAID_MAX + 1_000):
        stages.say(encode(SAID))
    assert stages.error == errno.ETIMEDOUT


def test_what_waits_when_a_session_ends_is_lost_and_counted(stages: Stages, recorder: Recorder):
    stages.connect(None)
    stages.lose(Group.FLIGHT, 2)
    stages.add(Group.FLIGHT, Port.TELEMETRY, [b"old"] * 3, BEGAN)
    stages.begin(BEGAN + 10.0)
    stages.connect(recorder.air)
    stages.add(Group.FLIGHT, Port.TELEMETRY, [b"new"], BEGAN + 11.0)
    empty(stages, recorder, LATER)
    assert recorder.records[Group.FLIGHT] == [(1_000_000_000, 14550, b"new")]
    assert recorder.lost[Group.FLIGHT] == 5


def test_a_recorder_that_is_gone_is_an_error_until_the_next(stages: Stages, recorder: Recorder):
    recorder.made.close()
    stages.add(Group.FLIGHT, Port.TELEMETRY, [b"kept"], BEGAN)
    stages.hand_over(BEGAN)
    assert stages.error == errno.EPIPE
    stages.hand_over(BEGAN + 1.0)
    stages.connect(None)
    other = Recorder()
    with other.air, other.made:
        stages.connect(other.air)
        empty(stages, other, LATER)
        assert (stages.error, other.contents(Group.FLIGHT)) == (0, [b"kept"])
