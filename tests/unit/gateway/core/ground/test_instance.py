"""Under which instance a ground seals, and what follows from it in the session after: SPEC.md section 4.7."""

from __future__ import annotations

import random

from gateway.core.ground.instance import FOLLOWED_MAX, Instance
from keys.keyring import instance_after
from keys.lanes import INSTANCE_SIZE, Lane

SESSION, NEXT = bytes(range(16)), bytes(range(16, 32))
KEYS = {epoch: bytes([epoch]) * 32 for epoch in range(3)}
NEXT_KEYS = {epoch: bytes([9 - epoch]) * 32 for epoch in range(3)}


def made(
    seed: int = 1, session: bytes = SESSION, former: bytes | None = None, followed: set[bytes] | None = None
) -> Instance:
    return Instance(session, 3, random.Random(seed).randbytes, former, followed)


def name(instance: Instance, epoch: int = 0, keys: dict[int, bytes] = KEYS, lane: Lane = Lane.UPLINK) -> bytes:
    return (instance.key(lane, epoch, keys).kid & 0xFF_FFFF_FFFF).to_bytes(INSTANCE_SIZE, "big")


def test_it_is_the_same_in_both_lanes_and_all_epochs_and_each_key_is_made_once():
    instance = made()
    assert len({name(instance, epoch, lane=lane) for epoch in KEYS for lane in (Lane.CONTROL, Lane.UPLINK)}) == 1
    assert instance.key(Lane.UPLINK, 2, KEYS) is instance.key(Lane.UPLINK, 2, KEYS)
    assert name(made(2)) != name(instance)


def test_a_key_that_has_to_be_made_again_is_of_another_one():
    instance = made()
    first = name(instance, 1)
    instance.keep(())
    assert name(instance, 1) != first


def test_in_a_session_another_follows_once():
    """Not a second time, from whichever one: two that followed could count from 0 under one key."""
    first, followed = name(made()), set[bytes]()
    assert name(made(2, NEXT, first, followed), keys=NEXT_KEYS) == instance_after(NEXT_KEYS[0], first)
    for former in (first, b"other"):
        assert name(made(3, NEXT, former, followed), keys=NEXT_KEYS) == random.Random(3).randbytes(INSTANCE_SIZE)


def test_in_each_session_another_one_follows_from_the_same():
    """The session of a copied device key takes nothing from that of the aircraft."""
    first, followed = name(made()), set[bytes]()
    copied = {epoch: bytes([50 + epoch]) * 32 for epoch in range(3)}
    assert name(made(2, bytes(16), first, followed), keys=copied) == instance_after(copied[0], first)
    assert name(made(3, NEXT, first, followed), keys=NEXT_KEYS) == instance_after(NEXT_KEYS[0], first)


def test_one_that_has_said_nothing_takes_nothing():
    first, followed = name(made()), set[bytes]()
    made(2, NEXT, first, followed)
    assert name(made(3, NEXT, first, followed), keys=NEXT_KEYS) == instance_after(NEXT_KEYS[0], first)


def test_what_is_noted_of_a_device_has_a_bound_and_behind_it_they_are_drawn():
    followed = {number.to_bytes(16, "big") for number in range(FOLLOWED_MAX)}
    assert name(made(2, NEXT, b"first", followed), keys=NEXT_KEYS) == random.Random(2).randbytes(INSTANCE_SIZE)
    assert len(followed) == FOLLOWED_MAX


def test_until_the_aircraft_has_answered_one_the_next_follows_from_what_it_follows_from():
    assert made().hand_on(answered=False) is None
    alone = made()
    assert name(alone) == alone.hand_on(answered=False) == alone.hand_on(answered=True)
    between = made(2, NEXT, b"first")
    assert between.hand_on(answered=False) == b"first"
    own = name(between, keys=NEXT_KEYS)
    assert (between.hand_on(answered=False), between.hand_on(answered=True)) == (b"first", own)


def test_without_the_key_of_epoch_0_it_is_drawn():
    late = {1: NEXT_KEYS[1]}
    assert name(made(2, NEXT, b"first"), 1, late) == random.Random(2).randbytes(INSTANCE_SIZE)


def test_what_follows_is_of_another_key_another_instance_and_tells_nothing_of_it():
    followers = {instance_after(key, former) for key in KEYS.values() for former in (b"first", b"other")}
    assert len(followers) == 6
    assert {len(each) for each in followers} == {INSTANCE_SIZE}
