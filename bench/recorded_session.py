"""Recorded session: what a recorder hears of an aircraft that exists only in memory, and that it signs.

What lives here: messages of gateway/recording/handover.py. What must not: sockets and processes (bench/recorder_feed.py).
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench import paper
from gateway.recording import handover, pcap
from gateway.recording.group import PORTS, Group
from gateway.recording.handover import Session, Sign, Signed
from gateway.recording.segment_keys import OfKey
from keys import recording_header
from keys.folders.recording import RecordingFolder
from keys.grant import Profile
from keys.order_station import OrderRecording
from keys.policy import Policy
from keys.statement import Statement

PORT = PORTS[Group.VIDEO_A][0]


class RecordedSession:
    """`folder` gets the recording key. `began`: by the clock of the recorder."""

    def __init__(self, folder: Path, began: float, policy: Policy = paper.USUAL) -> None:
        RecordingFolder.init(folder, "archive", Profile.X_WING)
        self.folder = RecordingFolder.open(folder)
        device, self._key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        listed = OrderRecording(1, self.folder.name, self.folder.profile, self.folder.pub)
        content = paper.order(device, os.urandom(32), [listed], policy)
        self._order_hash = content.hash()
        stated = Statement(self._order_hash, 0, self._key.public_key().public_bytes_raw(), 1, 0)
        self.began, self.session_id = began, stated.session_id()
        self.message = Session(self.session_id, began, paper.issued(content), stated.sign(device), "bench")

    def sign(self, asked: Sign) -> Signed:
        return Signed(asked.payload, recording_header.sign(asked.payload, self._key, self.session_id, self._order_hash))

    def keys(self) -> OfKey:
        """What opens it."""
        return OfKey(self.folder)


def in_a_message(size: int) -> int:
    """How many datagrams of this size fill one."""
    return (handover.MESSAGE_MAX - handover.HEAD.size) // (pcap.OVERHEAD + size)


def records(contents: list[bytes], time_ns: int) -> bytes:
    """A record of video A of each of these, all read at that time."""
    return b"".join(pcap.head(time_ns, PORT, len(content)) + content for content in contents)


def data(plaintext: bytes) -> bytes:
    """The message that hands over these records."""
    return handover.HEAD.pack(handover.DATA, Group.VIDEO_A, 0, 0) + plaintext
