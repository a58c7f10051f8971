"""Datagrams that are larger than a slot, through the system, by both movers that take them in."""

from __future__ import annotations

import random
import socket

import numpy as np
import pytest

from gateway.batch import ROOM, Batch
from gateway.demo.stage import free_port
from gateway.endpoints import mmsg, open_endpoint
from gateway.endpoints.address import parse
from gateway.endpoints.mmsg import AS_ONE_MAX, Mmsg, OneByOne
from gateway.endpoints.pieces import Large, new_large_mover
from tests.unit.gateway.endpoints.wires import HOST, batch_of, opened, received

SIZES = (0, 1, 280, ROOM, ROOM + 1, 2 * ROOM, 9000, AS_ONE_MAX)


@pytest.fixture(params=["large", "one by one"])
def kind(request) -> type:
    if request.param == "large" and mmsg.new_mover is not Mmsg:
        pytest.skip("this system has no recvmmsg")
    return Large if request.param == "large" else lambda sock: OneByOne(sock, large=True)


def parts(datagram: bytes) -> list[bytes]:
    return [datagram[at : at + ROOM] for at in range(0, max(1, len(datagram)), ROOM)]


@pytest.mark.parametrize("seed", range(10))
def test_what_is_larger_than_a_slot_fills_several_in_order(three, kind, seed: int):
    *senders, receiver = three
    rng, mover = random.Random(seed), kind(receiver)
    sent = []
    for size in rng.choices(SIZES, k=20):
        sender, datagram = rng.choice(senders), rng.randbytes(size)
        sender.sendto(datagram, receiver.getsockname())
        sent += [(mover.peer(sender.getsockname()), part) for part in parts(datagram)]
    got = []
    batches = [Batch(), Batch(3)]
    while True:
        batch = rng.choice(batches)
        batch.clear()
        if not mover.receive(batch):
            break
        got += [(*mover.senders(np.array([slot])), datagram) for slot, datagram in enumerate(batch.datagrams())]
        assert batch.full or not mover.waiting
    assert got == sent
    assert not mover.waiting


def test_it_is_the_one_that_is_chosen_for_this_system(three):
    assert isinstance(new_large_mover(three[2]), Large if mmsg.new_mover is Mmsg else OneByOne)


@pytest.mark.parametrize("form", ["udpin", "udpout"])
def test_a_plain_endpoint_for_mavlink_takes_the_largest_datagram_there_is(form: str):
    datagram = random.Random(1).randbytes(AS_ONE_MAX)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOST, 0))
        port = free_port() if form == "udpin" else other.getsockname()[1]
        end = opened(open_endpoint(parse(f"{form}:{HOST}:{port}"), large=True))
        end.send(batch_of([b"from where this comes"]), 0.0)
        try:
            other.sendto(datagram, (HOST, port) if form == "udpin" else other.recvfrom(ROOM)[1])
            assert b"".join(received(end, len(parts(datagram)))) == datagram
            assert (end.counters.oversize, end.counters.rx_bytes) == (0, AS_ONE_MAX)
        finally:
            end.close()
