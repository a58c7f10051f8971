"""What air says waits in bounded memory, whatever it says. SPEC.md section 8."""

from __future__ import annotations

import threading

from gateway.recording import handover
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


def test_data_that_may_begin_a_recording_does_not_wait_for_more():
    """Air signs the header of a recording, and may end soon: without its signature no one could open that."""
    queue = Queue(LIMIT)
    for structure in (handover.Wanted(0, [Group.FLIGHT]), handover.Epoch(0)):
        queue.put(handover.encode(structure), 0.0)
        queue.take(None)
        for group in (Group.FLIGHT, Group.VIDEO_A):
            queue.put(data(group, [bytes(100)], 1), 0.0)
            assert wakes(queue)
        queue.put(data(Group.FLIGHT, [bytes(100)], 2), 0.0)
        assert not wakes(queue, 0.1)


def wakes(queue: Queue, within_s: float = 10.0) -> bool:
    """Whether a thread that waits for as long as nothing comes has something; the queue is empty then."""
    waits = threading.Thread(target=queue.take, args=(None,))
    waits.start()
    waits.join(within_s)
    found = not waits.is_alive()
    queue.end(0.0)
    waits.join()
    queue.take(0)
    return found
