from __future__ import annotations

import numpy as np
import pytest

from gateway.batch import CAPACITY, FEW, HEADROOM, ROOM, SLOT_SIZE, TAG_SIZE, Batch


def test_append_view_and_clear():
    batch = Batch(3)
    for size in (0, 5, ROOM):
        batch.append(bytes([size % 251]) * size)
    assert batch.full
    assert [len(d) for d in batch.datagrams()] == [0, 5, ROOM]
    assert batch.offsets().tolist() == [HEADROOM + i * SLOT_SIZE for i in range(3)]
    with pytest.raises(IndexError, match="full"):
        batch.append(b"")
    batch.clear()
    assert batch.datagrams() == []
    with pytest.raises(ValueError, match="does not fit"):
        batch.append(bytes(ROOM + 1))


def test_take_and_keep_hold_the_order_and_the_moved_starts():
    batch, other = Batch(4), Batch(4)
    for text in (b"zero", b"one", b"two", b"three"):
        batch.append(text)
    batch.starts[2] -= 3
    batch.octets[2, HEADROOM - 3 : HEADROOM] = list(b"HDR")
    batch.lengths[2] += 3
    other.copy_from(batch, [3, 2])
    assert other.datagrams() == [b"three", b"HDRtwo"]
    batch.keep([0, 2])
    assert batch.datagrams() == [b"zero", b"HDRtwo"]


def test_totals():
    batch = Batch(3)
    assert (batch.total(), batch.longest()) == (0, 0)
    for size in (7, 1_200, 30):
        batch.append(bytes(size))
    assert (batch.total(), batch.longest()) == (1_237, 1_200)


def test_what_is_cut_is_the_arena_itself_without_and_with_a_tag():
    batch, rng = Batch(), np.random.default_rng(1)
    for count in [*range(1, CAPACITY)] * 3:  # more pieces than are kept
        slots = sorted(rng.choice(CAPACITY, count, replace=False).tolist())
        batch.lengths[:] = rng.integers(9, ROOM, CAPACITY)
        for slot, (plain, sealed) in zip(slots, batch.pieces(slots, HEADROOM + 5, 7), strict=True):
            length = batch.length_at[slot] - 7
            assert (len(plain), len(sealed)) == (length, length + TAG_SIZE)
            plain[-1] = 7
            end = slot * SLOT_SIZE + HEADROOM + 5 + length
            assert batch.arena[end - 1] == sealed[length - 1] == 7


@pytest.mark.parametrize("count", [1, FEW, FEW + 1, CAPACITY])
def test_few_datagrams_are_moved_like_many(count: int):
    batch, rng = Batch(), np.random.default_rng(count)
    datagrams = [rng.bytes(int(size)) for size in rng.integers(20, ROOM, count)]
    batch.hold(datagrams)
    assert batch.heads(7) == [datagram[:7] for datagram in datagrams]
    assert batch.datagrams() == datagrams
    some = [slot for slot in range(count) if slot % 3 != 1]
    batch.shift(some, HEADROOM + 9, -9)
    assert batch.datagrams() == [datagram[9 * (slot in some) :] for slot, datagram in enumerate(datagrams)]
    assert (batch.lengths[:count].tolist(), batch.starts[:count].tolist()) == (
        batch.length_at[:count].tolist(),
        batch.start_at[:count].tolist(),
    )
    copy = Batch()
    copy.copy_from(batch, some[::-1])
    assert copy.datagrams() == [datagrams[slot][9:] for slot in some[::-1]]
    batch.clear()
    assert set(batch.starts.tolist()) == {HEADROOM}


def test_a_batch_takes_what_is_more_than_it_holds_in_turns():
    batch, datagrams = Batch(2), [b"1", b"2", b"3", b"4", b"5"]
    assert [each.datagrams() for each in batch.refill(datagrams)] == [[b"1", b"2"], [b"3", b"4"], [b"5"]]
    assert list(batch.refill([])) == []
    assert [each is batch for each in batch.refill(datagrams[:1])] == [True]
