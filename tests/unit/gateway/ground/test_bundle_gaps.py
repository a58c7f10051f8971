from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from gateway.core.ground.opened import Bundle
from gateway.ground.bundle_gaps import SESSIONS_MAX, BundleGaps


def bundle(ctr: int, epoch: int = 0, session: bytes = b"a") -> Bundle:
    lease: Any = SimpleNamespace(session=SimpleNamespace(session_id=session), epoch=epoch)
    return Bundle(lease, ctr, [], 0.0)


def test_a_datagram_that_is_missing_is_found_in_each_session():
    gaps = BundleGaps()
    assert gaps.found([bundle(5)])
    assert not gaps.found([bundle(6), bundle(7)])
    assert gaps.found([bundle(0, session=b"b")])
    assert not gaps.found([bundle(8), bundle(1, session=b"b"), bundle(9)])
    assert gaps.found([bundle(10), bundle(12), bundle(13)])
    assert not gaps.found([])


def test_where_the_keys_change_one_may_be_missing():
    gaps = BundleGaps()
    gaps.found([bundle(5)])
    assert gaps.found([bundle(0, epoch=1)])
    assert not gaps.found([bundle(1, epoch=1)])


def test_sessions_without_end_fill_no_memory():
    gaps = BundleGaps()
    for place in range(1000):
        gaps.found([bundle(0, session=place.to_bytes(2, "big"))])
    assert len(gaps._last) <= SESSIONS_MAX
