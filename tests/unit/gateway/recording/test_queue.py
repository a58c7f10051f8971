"""What air says waits in bounded memory, whatever it says. SPEC.md section 8."""

from __future__ import annotations

import socket

from gateway.recording import handover
from gateway.recording.group import Group
from gateway.recording.queue import STRUCTURES_UP_TO, Lost, Queue
from gateway.recording.service import Service
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


def test_an_air_that_says_ever_more_while_the_card_stands_still_is_left():
    """The structures that change what is recorded are not lost singly: without one of them the others are wrong."""
    queue = Queue(LIMIT)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    service = Service(queue, None, air=theirs)  # type: ignore[arg-type]
    said, told = bytes([handover.STRUCTURE]) + bytes(50_000), 0
    while service._air and told < 1000:
        ours.send(said)
        told += 1
        service._read(theirs, 0.0)
    assert told * len(said) <= STRUCTURES_UP_TO * LIMIT + 2 * len(said)
    assert ours.recv(100) == b""
    ours.close()
