"""The leaves of the log: their bytes, and what is none."""

from __future__ import annotations

import random

import pytest

from gateway.recording import leaf
from gateway.recording.group import Group
from gateway.recording.leaf import Armed, Close, Cut, File, Gap, Open, Recording
from gateway.recording.reason import CloseReason, GapReason
from keys import cose

ID = bytes(range(16))
HASH = bytes(range(32))
FILES = (File(Group.FLIGHT, ID, 3, 70_000, HASH), File(Group.CAMERA_D, ID[::-1], 0, 80, HASH[::-1]))
LEAVES = (
    Open(HASH, "0.1.0"),
    Recording(ID, HASH),
    Cut(1_000_000, 3_000_000, 1_800_000_000_000_000, FILES),
    Gap((Group.VIDEO_A,), 5, 0, GapReason.PAUSED, 0, 7),
    Armed(6, True),
    Close(CloseReason.ENDED),
)


def test_the_bytes_are_those_of_the_specification():
    assert [cose.loads(leaf.encode(one)) for one in LEAVES] == [
        {1: 0, 2: HASH, 3: "0.1.0", 4: None},
        {1: 1, 2: ID, 3: HASH},
        {1: 2, 2: 1_000_000, 3: 3_000_000, 4: 1_800_000_000_000_000,
         5: [[1, ID, 3, 70_000, HASH], [5, ID[::-1], 0, 80, HASH[::-1]]]},
        {1: 4, 2: [2], 3: 5, 4: 0, 5: 6, 6: 0, 7: 7},
        {1: 8, 2: 6, 3: 1},
        {1: 6, 2: 1},
    ]  # fmt: skip


def test_a_log_is_read_up_to_its_zeros():
    data = b"".join(map(leaf.encode, LEAVES))
    assert leaf.read(data + bytes(9000)) == list(LEAVES)
    assert leaf.read(b"") == leaf.read(bytes(4096)) == []


def test_cut_at_each_byte_the_whole_leaves_before_are_read():
    data = b"".join(map(leaf.encode, LEAVES))
    ends = [end for _, end in leaf.scan(data)]
    assert ends[-1] == len(data)
    for size in range(len(data)):
        for tail in (b"", bytes(5000), b"\xff" * 50):
            assert leaf.read(data[:size] + tail)[: len(LEAVES)][: sum(end <= size for end in ends)] == list(
                LEAVES[: sum(end <= size for end in ends)]
            )


def test_a_changed_byte_never_raises():
    data = b"".join(map(leaf.encode, LEAVES))
    random.seed(17)
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1 << random.randrange(8)
        leaf.read(bytes(changed))


@pytest.mark.parametrize(
    "value",
    [
        0,
        {},
        {1: 3},
        {1: True, 2: ID, 3: HASH},
        {1: 1, 2: ID},
        {1: 1, 2: ID, 3: HASH, 4: 0},
        {1: 2, 2: 0, 3: 0, 4: 0, 5: []},
        {1: 2, 2: 0, 3: 0, 4: 0, 5: [[6, ID, 0, 0, HASH]]},
        {1: 2, 2: 0, 3: 0, 4: 0, 5: [[1, ID, 0, 0]]},
        {1: 4, 2: [], 3: 5, 4: 0, 5: 6, 6: 0, 7: 7},
        {1: 4, 2: [2], 3: 5, 4: 0, 5: 7, 6: 0, 7: 7},
        {1: 6, 2: 4},
        {1: 8, 2: 6, 3: True},
    ],
)
def test_what_has_not_the_form_ends_the_log(value):
    assert leaf.read(leaf.encode(LEAVES[0]) + cose.dumps(value) + leaf.encode(LEAVES[1])) == [LEAVES[0]]
