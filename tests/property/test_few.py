"""A few datagrams are handled by a loop of Python, more of them by NumPy: both do the same with the same datagrams.

Two aircraft and two stations of the same keys; the batches of one pair take the loop alone, those of the other NumPy alone.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from bench.pair import Pair
from firmware_shims import mavlink
from gateway.batch import CAPACITY, HEADROOM, ROOM, Batch
from gateway.core.ground.opened import Opened
from keys.lanes import Lane
from tests.property.seeds import seeds

LANES = (Lane.VIDEO_A, Lane.VIDEO_A, Lane.TELEMETRY, Lane.OBSERVER_TELEMETRY, Lane.OBSERVER_TELEMETRY, Lane.EVIDENCE)
FRAME = mavlink.V2.to_bytes(1, "big") + bytes([1, 0, 0, 0, 1, 1, 0, 0, 0]) + bytes(3)
ROUNDS = 120


class World:
    """One pair, whose batches handle up to `few` datagrams by the loop."""

    def __init__(self, seed: int, few: int) -> None:
        self.pair, self.batch, self.below = Pair(seed), Batch(CAPACITY, few), Batch(CAPACITY, few)

    def sealed(self, lane: Lane, plain: Sequence[bytes]) -> list[bytes]:
        self.batch.hold(plain)
        self.pair.seal(lane, self.batch)
        return self.batch.datagrams()

    def opened(self, datagrams: Sequence[bytes]) -> object:
        """All that can be known of what became of them, the bytes that were wiped too."""
        below, opener = self.below, self.pair.opener
        below.hold(datagrams)
        opened = opener.open(below, self.pair.now)
        leases = {
            lease: (lease.lane, lease.key.window.top) for every in self.pair.listener.leases.values() for lease in every
        }
        return (
            described(opened),
            [bytes(below.arena[slot * len(below.octets[0]) :][: len(below.octets[0])]) for slot in range(len(datagrams))],
            below.datagrams(),
            sorted((lease.lane, lease.key.window.top, bytes(lease.key.window._seen_at)) for lease in leases),
            dict(opener.drops),
            dict(opener.opened),
        )


def described(opened: Opened) -> object:
    return (
        [(bundle.lease.lane, bundle.ctr, [*map(bytes, bundle.frames)]) for bundle in opened.bundles],
        [(lease.lane, slots) for lease, slots in opened.video.items()],
        opened.fresh,
        [(arrival.lease.lane, [*arrival.slots], [*arrival.ctrs]) for arrival in opened.arrivals],
    )


def plain(rng: random.Random, lane: Lane) -> bytes:
    if lane is Lane.EVIDENCE:
        return rng.randbytes(rng.randrange(1, 40))
    if lane is Lane.VIDEO_A:
        return rng.randbytes(rng.choice((0, 1, 1200, rng.randrange(ROOM - 64))))
    return FRAME * rng.randrange(5) + bytes(rng.randrange(3)) + rng.randbytes(rng.choice((0, 0, 0, 3)))


def hostile(rng: random.Random, datagrams: list[bytes], before: list[bytes]) -> list[bytes]:
    """What a link and an attacker make of them: lost, twice, out of order, cut, changed, of somebody else."""
    out = list(datagrams)
    for _ in range(rng.choice((0, 0, 1, 2, 5))):
        at = rng.randrange(len(out) + 1)
        picked = rng.choice(before + datagrams)
        what = rng.randrange(8)
        if what == 0 and out:
            del out[min(at, len(out) - 1)]
        elif what == 1:
            out.insert(at, picked)
        elif what == 2:
            out.insert(at, picked[: rng.randrange(len(picked) + 1)])
        elif what == 3 and picked:
            place = rng.choice((rng.randrange(min(7, len(picked))), rng.randrange(len(picked)), len(picked) - 1))
            out.insert(at, picked[:place] + bytes([picked[place] ^ 1 << rng.randrange(8)]) + picked[place + 1 :])
        elif what == 4:
            out.insert(at, rng.randbytes(rng.randrange(60)))
        elif what == 5:
            rng.shuffle(out)
        elif what == 6 and out:  # about as short as a header and a tag
            out[min(at, len(out) - 1)] = out[min(at, len(out) - 1)][: rng.choice((3, 5, 20, 21, 22))]
        elif out:  # its tag is wrong, and it stands among good ones
            place = min(at, len(out) - 1)
            out[place] = out[place][:-1] + bytes([out[place][-1] ^ 1]) if out[place] else b""
    return out[:CAPACITY]


@pytest.mark.parametrize("seed", seeds(8, 200))
def test_few_and_many_datagrams_are_sealed_and_opened_alike(seed: int):
    rng = random.Random(seed)
    loop, numpy = World(seed, CAPACITY), World(seed, 0)
    before: list[bytes] = [bytes(8)]
    for _ in range(ROUNDS):
        lane = rng.choice(LANES)
        several = [plain(rng, lane) for _ in range(rng.choice((1, 1, 2, 3, 7, 8, 9, 64)))]
        one, other = loop.sealed(lane, several), numpy.sealed(lane, several)
        assert one == other
        assert [*map(len, one)] == loop.batch.lengths[: len(one)].tolist()
        came = hostile(rng, one, before)
        assert loop.opened(came) == numpy.opened(came)
        before = (before + one)[-200:]
        if not rng.randrange(12):
            for world in (loop, numpy):
                world.pair.now += 0.5
    assert loop.pair.opener.drops.total()
    assert loop.pair.opener.opened.total() > ROUNDS
    assert (loop.batch.start_at[0], numpy.batch.start_at[0]) != (HEADROOM, HEADROOM)
