from __future__ import annotations

import errno
import random
import socket
from collections.abc import Iterator

import numpy as np
import pytest

from gateway.batch import CAPACITY, ROOM, Batch
from gateway.endpoints import mmsg
from gateway.endpoints.mmsg import Mmsg, OneByOne
from tests.unit.gateway.endpoints.wires import batch_of

pytestmark = pytest.mark.skipif(mmsg.new_mover is not Mmsg, reason="this system has no recvmmsg")
SO_NO_CHECK = 11  # socket(7)
HOSTS = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


@pytest.fixture(params=HOSTS, ids=["IPv4", "IPv6"])
def four(request) -> Iterator[list[socket.socket]]:
    """Two sockets that send, two that receive."""
    made = [socket.socket(request.param, socket.SOCK_DGRAM) for _ in range(4)]
    for sock in made:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.setblocking(False)
        sock.bind((HOSTS[request.param], 0))
    yield made
    for sock in made:
        sock.close()


def test_both_move_the_same_traffic_in_the_same_way(four):
    one, other, fast_socket, plain_socket = four
    rng, fast, plain = random.Random(1), Mmsg(fast_socket), OneByOne(plain_socket)
    batches = {mover: Batch() for mover in (fast, plain)}
    for _ in range(20):
        for _ in range(rng.randrange(CAPACITY + 10)):
            sender, datagram = (
                rng.choice((one, one, other)),
                rng.randbytes(rng.choice((0, 1, 280, 1200, ROOM, ROOM + 1, 9000))),
            )
            for receiver in (fast_socket, plain_socket):
                sender.sendto(datagram, receiver.getsockname())
        while fast_count := _receive(fast, batches[fast]):
            assert fast_count == _receive(plain, batches[plain])
            assert _seen(fast, batches[fast], four) == _seen(plain, batches[plain], four)
        assert _receive(plain, batches[plain]) == 0


def _receive(mover, batch):
    batch.clear()
    return mover.receive(batch)


def _seen(mover, batch, sockets):
    """All that a receiver can tell, with peers as places in `sockets`."""
    lengths = batch.lengths[: batch.count].tolist()
    whole = [bytes(batch.view(i)) for i in range(batch.count) if lengths[i] <= ROOM]
    places = [mover.peer(sock.getsockname()) for sock in sockets]
    senders = [places.index(peer) for peer in mover.senders(np.arange(batch.count))]
    return lengths, whole, senders, [mover.sent_by(peer).tolist() for peer in places]


def test_both_send_the_same_bytes(four):
    one, other, to_fast, to_plain = four
    rng = random.Random(2)
    batch = batch_of([rng.randbytes(rng.randrange(ROOM + 1)) for _ in range(CAPACITY - 1)] + [b""])
    batch.starts[3] -= 5
    batch.lengths[3] += 5
    total = int(batch.lengths.sum())
    for mover, receiver in ((Mmsg(one), to_fast), (OneByOne(other), to_plain)):
        assert mover.send(batch, mover.peer(receiver.getsockname())) == (CAPACITY, total, 0)
        assert [receiver.recv(ROOM) for _ in range(CAPACITY)] == batch.datagrams()


def test_batches_of_any_capacity_in_turn(four):
    one, _, receiver, _ = four
    mover, small, large = Mmsg(receiver), Batch(3), Batch()
    sent = [bytes([i]) * i for i in range(20)]
    for datagram in sent:
        one.sendto(datagram, receiver.getsockname())
    got = []
    for batch in (small, large, small):
        _receive(mover, batch)
        got.append(batch.datagrams())
    assert got == [sent[:3], sent[3:], []]


def test_what_does_not_go_as_one_goes_one_by_one_and_is_no_error():
    """The system sends nothing as one where checksums are off."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
        mover = Mmsg(made)
        sent = mover.send(batch_of([bytes(9), *[bytes(700)] * 5]), mover.peer(("127.0.0.1", 9)))
    assert sent == (6, 3_509, 0)


@pytest.mark.parametrize("kind", [Mmsg, OneByOne])
def test_an_error_is_passed_on_as_its_number(kind):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:  # without SO_BROADCAST
        mover = kind(made)
        sent = mover.send(batch_of([b"one", b"two"]), mover.peer(("255.255.255.255", 9)))
    assert sent == (0, 0, errno.EACCES)
