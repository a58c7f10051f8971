"""What air says waits in bounded memory, whatever it says. SPEC.md section 8."""

from __future__ import annotations

from gateway.recording.group import Group
from gateway.recording.queue import Lost, Queue
from tests.recorder_peer import data

LIMIT = 1 << 20


def test_data_that_finds_no_room_is_lost_and_counted():
    queue, frames = Queue(LIMIT), [bytes(1000)] * 60
    for number in range(40):
        assert queue.put(data(Group.VIDEO_A, frames, number), 0.0)
    taken, _ = queue.take(0)
    lost = queue.losing
    assert lost == 60 * (40 - len(taken))
    assert sum(len(message) for _, message in taken) <= LIMIT
    queue.keep(0)
    queue.put(data(Group.VIDEO_A, frames, 40), 0.0)
    (_, gap), _ = queue.take(0)[0]
    assert gap == Lost({Group.VIDEO_A: lost}, len(taken), 40)
