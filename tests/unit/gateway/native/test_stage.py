"""stage.c does with the memory of the stages what Python does: the same bytes and counters after each step."""

from __future__ import annotations

import ctypes
import random
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import pytest

from gateway.batch import ROOM
from gateway.native.library import Library
from gateway.recording import stage
from gateway.recording.group import PORTS, VIDEO_GROUPS, Group, Port
from gateway.recording.handover import Armed, encode
from gateway.recording.stage import HAND_OVER_EVERY_S, MESSAGES, MESSAGES_OF_FLIGHT, Stages
from tests.property.seeds import seeds
from tests.stage_reader import Recorder

BEGAN = 1_000.0
SIZES = (0, 1, 60, 700, 1_177, 1_200, ROOM)
STEPS = 300
TIMES = (0.0, 1e-9, 0.000_001, HAND_OVER_EVERY_S / 3, HAND_OVER_EVERY_S, 0.9)  # seconds between two steps

Contents: TypeAlias = "Sequence[bytes]"


class End:
    """The stages of an aircraft, and its recorder, which reads when it is told to. By Python."""

    def __init__(self, cameras: Sequence[Group]) -> None:
        self.stages, self.recorder = Stages(cameras), Recorder()
        self.stages.begin(BEGAN)

    def film(self, group: Group, contents: Contents, now: float) -> None:
        self.stages.add(group, PORTS[group][0], contents, now)

    def hand_over(self, now: float) -> None:
        self.stages.hand_over(now)

    def read(self, messages: int) -> None:
        self.recorder.read(messages)

    def state(self) -> tuple[list[int], bytes, list[bytes]]:
        """All that a later step depends on, without addresses and descriptors."""
        words = [*self.stages._words]
        words[stage.FD] = words[stage.FD] < 0
        for at in self.stages._at.values():
            words[at + stage.MEMORY] -= self.stages._words[self.stages._at[Group.FLIGHT] + stage.MEMORY]
        return words, bytes(self.stages._memory), self.recorder.messages

    def close(self) -> None:
        self.stages.connect(None)
        self.recorder.air.close()
        self.recorder.made.close()


class EndInC(End):
    """The same, by C where `zegel air` has it in C."""

    def __init__(self, cameras: Sequence[Group], sealing: Library) -> None:
        super().__init__(cameras)
        loaded = ctypes.CDLL(str(sealing.path))
        self._record, self._hand_over = loaded.stage_record, loaded.stage_hand_over
        of_record = (ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_double, ctypes.c_char_p, ctypes.c_int)
        self._record.argtypes, self._record.restype = of_record, None
        self._hand_over.argtypes, self._hand_over.restype = (ctypes.c_void_p, ctypes.c_double), None

    def film(self, group: Group, contents: Contents, now: float) -> None:
        place, port = self.stages.place(group), PORTS[group][0]
        for content in contents:
            self._record(self.stages.address, place, port, now, content, len(content))

    def hand_over(self, now: float) -> None:
        self._hand_over(self.stages.address, now)
        if self.stages._words[stage.SAID]:  # which are Python's
            self.stages.hand_over(now)


Ends: TypeAlias = "tuple[End, End]"


@pytest.fixture(params=[1, 2, 4], ids=lambda cameras: f"{cameras} cameras")
def ends(request: pytest.FixtureRequest, sealing: Library) -> Iterator[Ends]:
    cameras = VIDEO_GROUPS[: request.param]
    made = End(cameras), EndInC(cameras, sealing)
    yield made
    for end in made:
        end.close()


def step(rng: random.Random, ends: Ends, now: float) -> None:
    """One of all that happens aboard."""
    group, kind = rng.choice(VIDEO_GROUPS), rng.random()
    contents = [rng.randbytes(rng.choice(SIZES)) for _ in range(rng.choice((1, 2, 28, 64)))]
    groups = {each for each in Group if rng.random() < 0.7}
    number = rng.choice((1, 3, 1 << 40))
    for end in ends:
        if kind < 0.55:
            end.film(group, contents, now)
        elif kind < 0.65:
            end.stages.add(Group.FLIGHT, Port.TELEMETRY, contents, now)
        elif kind < 0.82:
            end.hand_over(now)
        elif kind < 0.90:
            end.read(number)
        elif kind < 0.93:
            end.stages.want(groups)
        elif kind < 0.95:
            end.stages.lose(group, number)
        elif kind < 0.97:
            end.stages.say(encode(Armed(1, armed=True)))
        elif kind < 0.99:
            end.stages.connect(end.recorder.air if len(contents) > 1 else None)
        else:
            end.stages.begin(now + (1.0 if len(contents) > 1 else 0.0))


@pytest.mark.parametrize("seed", seeds(2, 20))
def test_each_step_leaves_the_same_bytes_and_counters(ends: Ends, seed: int):
    rng, now = random.Random(seed), BEGAN
    for end in ends:
        end.stages.connect(end.recorder.air)
        end.stages.want(Group)
    for _ in range(STEPS):
        now += rng.choice(TIMES)
        step(rng, ends, now)
        one, other = (end.state() for end in ends)
        assert one == other
    assert any(message[0] == stage.DATA for message in ends[0].recorder.messages)


def test_memory_that_is_full_to_its_end_is_not_exceeded(ends: Ends):
    """Nothing is sent, so each message of each camera is used, and the last one ends where the memory does."""
    fits = stage.CONTENT_MAX % (ROOM + stage.pcap.OVERHEAD)
    for end in ends:
        end.stages.want(Group)
        for group in VIDEO_GROUPS:
            for size in (ROOM, ROOM - 1, fits, 0) * MESSAGES * 40:
                end.film(group, [bytes([size % 251]) * size], BEGAN)
    one, other = (end.state() for end in ends)
    assert one == other
    cameras = [at for group, at in ends[0].stages._at.items() if group in VIDEO_GROUPS]
    assert sum(one[0][at + stage.COUNT] for at in cameras) == MESSAGES - MESSAGES_OF_FLIGHT
    assert all(one[0][at + stage.LOST] > 0 for at in cameras)


def test_a_recorder_that_is_gone_leaves_the_same_error(ends: Ends):
    for end in ends:
        end.stages.connect(end.recorder.air)
        end.stages.want(Group)
        end.film(Group.VIDEO_A, [b"kept"], BEGAN)
        end.recorder.made.close()
        end.hand_over(BEGAN)
        end.hand_over(BEGAN + 1.0)
    one, other = (end.state() for end in ends)
    assert one == other
    assert ends[1].stages.error
