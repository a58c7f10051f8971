from __future__ import annotations

import socket

import pytest

from gateway.endpoints.lookup import Lookup
from tests.unit.gateway.endpoints.wires import until


def test_a_number_is_answered_at_once():
    assert Lookup("127.0.0.1", 14550, socket.SOCK_DGRAM).answer() == (socket.AF_INET, ("127.0.0.1", 14550))
    assert Lookup("::1", 14550, socket.SOCK_DGRAM).answer() == (socket.AF_INET6, ("::1", 14550, 0, 0))


def test_a_name_is_answered_in_the_end_and_with_its_ipv4_address():
    lookup, answers = Lookup("localhost", 14550, socket.SOCK_STREAM), []

    def answered() -> bool:
        answers.append(lookup.answer())
        return answers[-1] is not None

    until(answered)
    assert answers[-1] == (socket.AF_INET, ("127.0.0.1", 14550))


def test_a_name_that_cannot_be_is_an_error_and_can_be_asked_for_again():
    lookup = Lookup(".".join(["a" * 60] * 5), 14550, socket.SOCK_DGRAM)  # longer than any name: no server is asked
    for _ in range(2):
        with pytest.raises(socket.gaierror):
            until(lambda: lookup.answer() is not None)
