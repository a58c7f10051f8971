from __future__ import annotations

import pytest

from gateway.batch import HEADROOM, ROOM, SLOT_SIZE, Batch


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
    other.take(batch, [3, 2])
    assert other.datagrams() == [b"three", b"HDRtwo"]
    batch.keep([0, 2])
    assert batch.datagrams() == [b"zero", b"HDRtwo"]
