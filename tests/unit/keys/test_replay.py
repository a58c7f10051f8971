"""The batch-wise window against RFC 3711's, one counter at a time."""

from __future__ import annotations

import random

import numpy as np
import pytest

from keys.replay import ReplayWindow


class OneByOne:
    """RFC 3711 section 3.3.2 with a set."""

    def __init__(self, size: int) -> None:
        self.size, self.top, self.seen = size, -1, set()

    def accept(self, ctr: int) -> bool:
        if ctr in self.seen or self.top - ctr >= self.size:
            return False
        self.seen.add(ctr)
        self.top = max(self.top, ctr)
        return True


@pytest.mark.parametrize("seed", range(200))
def test_agrees_with_the_reference(seed):
    rng = random.Random(seed)
    window, reference, at = ReplayWindow(64), OneByOne(64), 0
    for _ in range(60):
        at += rng.choice((0, 1, 3, 20, 200))
        batch = sorted({max(0, at + rng.randrange(-80, 20)) for _ in range(rng.randrange(1, 10))})
        if rng.random() < 0.3:
            batch += batch[:2]
        ctrs = np.array(batch, np.int64)
        too_old, seen = window.look(ctrs)
        if window.follows(ctrs):
            assert not (too_old | seen).any()
        usable = ctrs[~too_old & ~seen]
        accepted = usable[window.accept(usable)].tolist()
        # Within a batch the highest counter moves the window first; the reference is asked in that order.
        expected = {ctr for ctr in sorted(usable.tolist(), reverse=True) if reference.accept(ctr)}
        assert set(accepted) == expected
        assert len(accepted) == len(set(accepted))


@pytest.mark.parametrize("seed", range(50))
def test_what_goes_on_is_marked_as_one_by_one(seed: int):
    rng = random.Random(seed)
    window, reference = ReplayWindow(64), OneByOne(64)
    for _ in range(60):
        first, count = window.top + rng.choice((1, 1, 2, 30, 70)), rng.randrange(1, 65)
        window.extend(first, count)
        assert all(reference.accept(ctr) for ctr in range(first, first + count))
        for ctr in [rng.randrange(max(0, first - 70), first + count + 9) for _ in range(5)]:
            assert window.accept(np.array([ctr])).tolist() == [reference.accept(ctr)]


def test_a_batch_that_leaps_over_a_whole_window_does_not_follow():
    window = ReplayWindow(64)
    ctrs = np.array([5, 200], np.int64)
    assert not window.follows(ctrs)
    assert window.accept(ctrs).tolist() == [False, True]
    assert window.accept(np.array([200 - 64 + 5], np.int64)).tolist() == [True]  # its slot is that of 5


def test_a_window_begins_at_a_counter():
    window = ReplayWindow(64, start=10)
    assert window.look(np.array([9, 10, 11]))[0].tolist() == [True, False, False]
    assert window.accept(np.array([10, 12])).tolist() == [True, True]
    window.begin(12)
    too_old, seen = window.look(np.array([10, 11, 12, 13]))
    assert too_old.tolist() == [True, True, False, False]
    assert seen.tolist() == [False, False, True, False]
    assert window.accept(np.array([11, 13, 13])).tolist() == [False, True, False]
    window.begin(5)
    assert window.look(np.array([11]))[0].tolist() == [True]


@pytest.mark.parametrize("seed", range(50))
def test_a_window_that_begins_again_is_one_that_never_saw_what_is_below(seed: int):
    rng = random.Random(seed)
    window, reference, floor = ReplayWindow(64), OneByOne(64), 0
    for _ in range(60):
        if rng.random() < 0.2:
            floor = max(floor, window.top + rng.randrange(-70, 150))
            window.begin(floor)
            reference.top = max(reference.top, floor - 1)
        ctr = max(0, window.top + rng.randrange(-80, 90))
        too_old, seen = window.look(np.array([ctr]))
        usable = not too_old[0] and not seen[0]
        assert usable == (ctr >= floor and reference.accept(ctr))
        assert not usable or window.accept(np.array([ctr])).tolist() == [True]


def test_looking_moves_nothing():
    window = ReplayWindow(64)
    window.look(np.array([1 << 27], np.int64))
    assert window.top == -1


def test_only_a_power_of_two():
    with pytest.raises(ValueError, match="power of two"):
        ReplayWindow(1000)
