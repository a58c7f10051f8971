"""The recorder's end of its socket, towards an air that lies, and towards other users. SPEC.md section 8."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from gateway.recording import handover, service
from gateway.recording.queue import STRUCTURES_UP_TO, Queue
from gateway.recording.service import Service

LIMIT = 1 << 20


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


def test_another_user_is_refused_and_fills_no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "air.sock"
    users, said = set[int](), list[tuple[str, str]]()
    monkeypatch.setattr(service, "say", lambda *words: said.append(words))
    serving = Service(Queue(LIMIT), None, listener=service.listen(path), users=lambda: users)  # type: ignore[arg-type]
    for _ in range(50):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
            other.connect(str(path))
            serving._accept(0.0)
            assert other.recv(100) == b""
    assert [text for _, text in said] == [f"user {os.getuid()} is not that of zegel air: refused"]
    users.add(os.getuid())
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as air:
        air.connect(str(path))
        serving._accept(0.0)
        assert serving._air is not None
