from __future__ import annotations

import socket

import pytest

from gateway.endpoints import departures
from gateway.endpoints.departures import Departures
from tests.hostile.account_attacks import is_told
from tests.unit.gateway.endpoints.wires import until


@pytest.fixture
def told() -> Departures:
    made = Departures()
    if not is_told():
        pytest.skip("this system does not tell that a socket left a port")
    return made


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_port_that_a_socket_has_left_is_told_once(told, family, host):
    with socket.socket(family, socket.SOCK_DGRAM) as made:
        made.bind((host, 0))
        port = made.getsockname()[1]
        told.only([port])  # other programs of a busy machine close sockets too
        until(lambda: told.pop() == set())
    until(lambda: port in told.pop())
    assert port not in told.pop()


def test_too_many_are_not_taken_for_none(told, monkeypatch):
    monkeypatch.setattr(departures, "MESSAGES_A_CALL", 10)

    def too_many() -> bool:
        for _ in range(20):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
                made.bind(("127.0.0.1", 0))
        return told.pop() is None

    until(too_many)


def test_on_a_system_that_does_not_tell_no_one_leaves(monkeypatch):
    monkeypatch.setattr(departures, "NETLINK_SOCK_DIAG", 31)  # no such protocol
    made = Departures()
    assert (made.available, made.pop()) == (False, set())
