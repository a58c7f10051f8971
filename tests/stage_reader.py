"""The recorder's end of the socket, in a test: what the stages of an aircraft hand over."""

from __future__ import annotations

import socket

from gateway.recording import pcap
from gateway.recording.group import Group
from gateway.recording.handover import DATA, HEAD, MESSAGE_MAX
from gateway.recording.stage import HAND_OVER_EVERY_S, Stages


class Recorder:
    """The other end. `records`, `lost`: of each group, as received."""

    def __init__(self) -> None:
        self.air, self.made = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.made.setblocking(False)
        self.records: dict[int, list[pcap.Record]] = {group: [] for group in Group}
        self.lost = dict.fromkeys(Group, 0)
        self.messages: list[bytes] = []

    def read(self, most: int = 1 << 62) -> int:
        """What waits, or `most` messages of it; how many."""
        before = len(self.messages)
        while len(self.messages) < before + most:
            try:
                message = self.made.recv(1 << 20)
            except BlockingIOError:
                break
            if not message:
                break
            self.messages.append(message)
            if message[0] == DATA:
                _, group, _, lost = HEAD.unpack_from(message)
                assert len(message) <= MESSAGE_MAX
                self.records[group] += pcap.read(message, HEAD.size)
                self.lost[Group(group)] += lost
        return len(self.messages) - before

    def contents(self, group: Group) -> list[bytes]:
        return [record.content for record in self.records[group]]


def empty(stages: Stages, recorder: Recorder, now: float) -> None:
    """Until nothing waits."""
    stages.hand_over(now)
    while recorder.read():
        now += HAND_OVER_EVERY_S
        stages.hand_over(now)
