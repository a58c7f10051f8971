from __future__ import annotations

import random

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.batch import CAPACITY, HEADROOM, ROOM, SLOT_SIZE, Batch
from gateway.core import sframe
from gateway.core.sealer import Sealer
from gateway.core.wire import DOWNLINK_OVERHEAD
from keys import keyring
from keys.keyring import REJECT_AFTER_PACKETS, KeyExhausted, SendKey

KID = 0x1A4
BASE_KEY = bytes(range(32))
SESSION_ID = b"0123456789abcdef"


def sender(next_ctr: int = 0) -> SendKey:
    key = SendKey(BASE_KEY, KID)
    key.next_ctr = next_ctr
    return key


def filled(*plain: bytes) -> Batch:
    batch = Batch()
    batch.hold(plain)
    return batch


def opened(datagram: bytes) -> tuple[int, int, bytes]:
    """(KID, CTR, plaintext), the way RFC 9605 section 4.4.4 says it, one datagram at a time."""
    key, salt = keyring.derive(BASE_KEY, KID)
    kid, ctr, size = sframe.decode_header(datagram)
    aad = datagram[:size] + SESSION_ID
    return kid, ctr, AESGCM(key).decrypt(sframe.nonce(salt, ctr), datagram[size:], aad)


@pytest.mark.parametrize("first", [0, 7, 8, 200, 255, 65_500, (1 << 24) - 10, REJECT_AFTER_PACKETS - CAPACITY])
def test_every_datagram_of_a_batch_opens_alone_also_where_the_header_grows(first: int):
    rng = random.Random(first)
    plain = [rng.randbytes(rng.randrange(1, 1400)) for _ in range(CAPACITY)]
    batch, key = filled(*plain), sender(first)
    Sealer(SESSION_ID).seal(key, batch)
    assert [opened(d) for d in batch.datagrams()] == [(KID, first + i, p) for i, p in enumerate(plain)]
    assert key.next_ctr == first + CAPACITY


@pytest.mark.parametrize("size", [0, 1, 1449, ROOM])
def test_any_size_that_a_slot_takes_in(size: int):
    batch = filled(bytes(size))
    Sealer(SESSION_ID).seal(sender((1 << 24) + 1), batch)
    (sealed,) = batch.datagrams()
    assert len(sealed) == size + DOWNLINK_OVERHEAD
    assert opened(sealed)[2] == bytes(size)


def test_it_seals_in_place_and_touches_no_other_slot():
    batch = filled(b"first", b"second")
    batch.octets[2:] = 0xEE
    Sealer(SESSION_ID).seal(sender(), batch)
    assert batch.offsets().tolist() == [HEADROOM - 3, SLOT_SIZE + HEADROOM - 3]
    assert b"first" not in bytes(batch.arena)
    assert (batch.octets[2:] == 0xEE).all()


def test_another_session_id_is_another_ciphertext_under_the_same_key():
    one, two = (Sealer(bytes([i]) * 16).seal_one(sender(), b"plain") for i in range(2))
    assert one != two
    assert one[:-16] == two[:-16]  # the session_id is authenticated, not encrypted


def test_an_empty_batch_takes_no_counter():
    key = sender(5)
    Sealer(SESSION_ID).seal(key, Batch())
    assert key.next_ctr == 5


def test_an_exhausted_key_leaves_the_batch_as_it_was():
    batch, key = filled(b"one", b"two"), sender(REJECT_AFTER_PACKETS - 1)
    with pytest.raises(KeyExhausted):
        Sealer(SESSION_ID).seal(key, batch)
    assert batch.datagrams() == [b"one", b"two"]
    assert key.next_ctr == REJECT_AFTER_PACKETS - 1


def test_one_datagram_at_a_time_shares_the_counter():
    sealer, key = Sealer(SESSION_ID), sender()
    alone = sealer.seal_one(key, b"beat")
    batch = filled(b"frame")
    sealer.seal(key, batch)
    again = sealer.seal_one(key, b"beat")
    assert [opened(d) for d in (alone, *batch.datagrams(), again)] == [
        (KID, 0, b"beat"),
        (KID, 1, b"frame"),
        (KID, 2, b"beat"),
    ]
