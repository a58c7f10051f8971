from __future__ import annotations

import random

import pytest

from gateway.core.ground.opened import Bundle
from gateway.core.ground.reorder import WAIT_S, WAITING_MAX, Reorder
from gateway.core.ground.session import Lease, Session
from keys.keyring import ReceiveKey
from keys.lanes import Lane
from keys.statement import Statement


class Scene:
    """A reorder and a session whose bundle `n` holds one frame of that name."""

    def __init__(self, several: bool = True) -> None:
        self.several = several
        self.reorder = Reorder(lambda *_: self.several)
        self.session = Session(Statement(bytes(32), 0, bytes(32), 1, 0), b"")
        self.key = ReceiveKey(bytes(32), 0x1A0)

    def bundle(self, ctr: int, epoch: int = 0, session: Session | None = None, arrived: float = 0.0) -> Bundle:
        lease = Lease(session or self.session, Lane.TELEMETRY, self.key, 1 << 28, epoch)
        return Bundle(lease, ctr, [memoryview(f"{epoch}/{ctr}".encode())], arrived)

    def put(self, *ctrs: int, now: float = 0.0, epoch: int = 0) -> list[int]:
        return counters(self.reorder.put([self.bundle(ctr, epoch, arrived=now) for ctr in ctrs], now))

    def release(self, now: float) -> list[int]:
        return counters(self.reorder.release(now))


def counters(bundles: list[Bundle]) -> list[int]:
    return [int(bytes(frame).partition(b"/")[2]) for bundle in bundles for frame in bundle.frames]


def test_the_first_bundle_begins_wherever_it_is():
    assert Scene().put(700, 701) == [700, 701]


def test_what_is_behind_a_gap_waits_for_it_while_several_links_are_up():
    scene = Scene()
    assert scene.put(0, 2, 3) == [0]
    assert scene.put(1, now=0.049) == [1, 2, 3]
    assert scene.reorder.next_due() == float("inf")


def test_with_one_link_nothing_ever_waits():
    scene = Scene(several=False)
    assert scene.put(0, 2, 3, 9) == [0, 2, 3, 9]
    assert scene.reorder.next_due() == float("inf")


def test_when_one_of_two_links_goes_what_waits_is_not_kept():
    scene = Scene()
    assert scene.put(0, 2, 5) == [0]
    scene.several = False
    assert scene.put(6) == [2, 5, 6]


def test_a_gap_is_given_up_after_its_time_and_not_before():
    scene = Scene()
    assert scene.put(0, 2) == [0]
    assert scene.put(4, 3, now=0.03) == []
    assert scene.reorder.next_due() == pytest.approx(WAIT_S)
    assert scene.release(WAIT_S - 0.001) == []
    assert scene.release(WAIT_S) == [2, 3, 4]


def test_each_gap_has_its_own_time_and_what_precedes_it_goes_with_it():
    scene = Scene()
    scene.put(0, 5)
    scene.put(3, 9, now=0.02)
    assert scene.release(WAIT_S) == [3, 5]
    assert scene.release(0.02 + WAIT_S) == [9]


def test_what_comes_behind_its_place_is_delivered_and_counted():
    scene = Scene()
    scene.put(0, 2)
    scene.release(1.0)
    assert scene.put(1, now=1.0) == [1]
    assert scene.put(3, now=1.0) == [3]
    assert scene.reorder.late == 1


def test_a_new_epoch_follows_the_last_of_the_old_one_after_the_wait():
    """Nobody says which was the last of an epoch, so the first of the next is behind a gap."""
    scene = Scene()
    scene.put(8)
    assert scene.put(0, epoch=1) == []
    assert scene.put(9, now=0.01) == [9]
    assert scene.release(WAIT_S) == [0]
    assert scene.put(1, epoch=1, now=0.1) == [1]


def test_sessions_do_not_wait_for_each_other():
    scene = Scene()
    other = Session(Statement(bytes(32), 0, bytes([1]) * 32, 2, 0), b"")
    scene.put(0, 2)
    assert counters(scene.reorder.put([scene.bundle(5, session=other), scene.bundle(6, session=other)], 0.0)) == [5, 6]
    assert scene.release(WAIT_S) == [2]


def test_what_waits_outlives_its_batch():
    scene = Scene()
    scene.put(0)
    slot = bytearray(b"0/2")
    held = scene.bundle(2, arrived=0.01)._replace(frames=[memoryview(slot)])
    assert scene.reorder.put([held], 0.02) == []
    slot[:] = b"0/7"
    (released,) = scene.reorder.release(0.01 + WAIT_S)
    assert counters([released]) == [2]
    assert (released.lease, released.arrived) == (held.lease, 0.01), "where it is from and when it came goes with it"


def test_a_flood_behind_a_gap_is_not_kept():
    scene = Scene()
    scene.put(0)
    assert scene.put(*range(2, 2 + WAITING_MAX)) == []
    assert scene.put(5_000) == [*range(2, 2 + WAITING_MAX), 5_000]


@pytest.mark.parametrize("seed", range(20))
def test_two_links_of_any_delay_within_the_wait_give_the_order_back(seed):
    """A fast link that loses a third and a slow one that loses nothing: everything, in order, each once."""
    rng, scene = random.Random(seed), Scene()
    slow = rng.uniform(0.005, WAIT_S - 0.005)
    arrivals = [(ctr * 0.002 + slow, ctr) for ctr in range(500)]
    arrivals += [(ctr * 0.002, ctr) for ctr in range(500) if rng.random() > 0.3 or not ctr]
    seen, got = set(), []
    for now, ctr in sorted(arrivals):
        got += scene.release(now)
        if ctr not in seen:
            seen.add(ctr)
            got += scene.put(ctr, now=now)
    assert got == list(range(500))
    assert scene.reorder.late == 0


def test_what_waited_for_a_gap_while_the_process_stood_still_is_late():
    scene = Scene()
    assert scene.put(0, 2, 3) == [0]
    assert scene.release(8.0) == []
    assert scene.reorder.dropped == 2
    assert scene.put(4, now=8.0) == [4], "the order goes on behind it"
    waited = scene.bundle(6, arrived=8.1)
    assert counters(scene.reorder.put([waited], 9.0)) == []
    assert counters(scene.reorder.release(9.0)) == [6], "a gap is waited for from its arrival, not from its reading"
    assert scene.reorder.dropped == 2
