"""Many datagrams in one piece, through the system, against the movers that know no pieces."""

from __future__ import annotations

import random

import numpy as np
import pytest

from gateway.batch import CAPACITY, ROOM, Batch
from gateway.endpoints import mmsg, vector
from gateway.endpoints.gro import Gro, new_link_mover
from gateway.endpoints.mmsg import Mmsg, OneByOne
from tests.unit.gateway.endpoints.wires import batch_of

pytestmark = pytest.mark.skipif(mmsg.new_mover is not Mmsg, reason="this system has no recvmmsg")


def sizes(rng: random.Random) -> list[int]:
    """As video has them: a run of one size and a shorter end; and as nothing has them."""
    out: list[int] = []
    while len(out) < CAPACITY:
        size = rng.choice((0, 1, 60, 1_177, 1_177, ROOM))
        out += [size] * rng.randrange(1, 30) + [rng.randrange(size + 1)]
    return out[:CAPACITY]


@pytest.mark.parametrize("seed", range(30))
def test_what_is_sent_in_pieces_comes_out_as_single_datagrams(three, seed):
    one, other, receiver = three
    rng, gro = random.Random(seed), Gro(receiver)
    senders = {sock: Mmsg(sock) for sock in (one, other)}
    plain = OneByOne(other)
    to = gro.peer(receiver.getsockname())
    sent: list[tuple[bytes, bytes]] = []
    for _ in range(3):
        sock, batch = rng.choice((one, other)), batch_of([rng.randbytes(size) for size in sizes(rng)])
        mover, where = (plain, receiver.getsockname()) if rng.random() < 0.2 else (senders[sock], to)
        sock = other if mover is plain else sock
        assert mover.send(batch, where) == (CAPACITY, int(batch.lengths.sum()), 0)
        sent += [(gro.peer(sock.getsockname()), datagram) for datagram in batch.datagrams()]
    got: list[tuple[bytes, bytes]] = []
    batches = [Batch(), Batch(3)]
    while True:
        batch = rng.choice(batches)
        batch.clear()
        if not gro.receive(batch):
            break
        froms = [gro.senders(np.array([slot])) for slot in range(batch.count)]
        assert all(len(peers) == 1 for peers in froms)
        got += [(peers[0], datagram) for peers, datagram in zip(froms, batch.datagrams(), strict=True)]
        for peer in {peer for peers in froms for peer in peers}:
            assert gro.sent_by(peer).tolist() == [peers[0] == peer for peers in froms]
    assert not gro.waiting
    assert got == sent


def test_what_does_not_fit_the_batch_is_waiting(three):
    one, _, receiver = three
    gro, small = Gro(receiver), Batch(5)
    sent = [bytes([i]) * 100 for i in range(12)]
    Mmsg(one).send(batch_of(sent), gro.peer(receiver.getsockname()))
    got, told = [], []
    for _ in range(3):
        small.clear()
        gro.receive(small)
        got += small.datagrams()
        told.append(gro.waiting)
    assert got == sent
    assert told == [True, True, False]


def test_a_piece_of_datagrams_that_are_too_large_keeps_their_length(three):
    one, _, receiver = three
    mover, batch = new_link_mover(receiver), Batch()
    assert isinstance(mover, Gro)
    one.setsockopt(mmsg.SOL_UDP, mmsg.UDP_SEGMENT, ROOM + 5)
    one.sendto(bytes(3 * (ROOM + 5)), receiver.getsockname())
    assert mover.receive(batch) == 3
    assert batch.lengths[:3].tolist() == [ROOM + 5] * 3


def test_datagrams_go_as_one_where_they_are_alike_and_fit():
    runs = mmsg._Runs(vector.Vector(16))
    assert runs.lay([100, 100, 40, 100, 100, 120, 0, 0], 0) == [3, 2, 1, 1, 1]
    assert runs.lay([100, 100, 40, 100, 100, 120], 1) == [2, 2, 1]
    assert runs.lay([1_984] * 64, 0) == [33, 31], "no more than a datagram of IPv4 can hold"
    runs.below(101, 0)
    assert runs.lay([100, 100, 101, 101], 0) == [2, 1, 1]
