"""Sockets that several tests of endpoints use."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.unit.gateway.endpoints.wires import HOST


@pytest.fixture
def three() -> Iterator[list[socket.socket]]:
    """Two sockets that send, one that receives."""
    made = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
    for sock in made:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.setblocking(False)
        sock.bind((HOST, 0))
    yield made
    for sock in made:
        sock.close()
