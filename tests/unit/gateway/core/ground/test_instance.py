"""Under which instance a ground seals, and what follows from it in the session after: SPEC.md section 4.7."""

from __future__ import annotations

import random

from gateway.core.ground.instance import Instance
from keys.keyring import instance_after
from keys.lanes import INSTANCE_SIZE, Lane

SESSION, NEXT = bytes(range(16)), bytes(range(16, 32))
KEYS = {epoch: bytes([epoch]) * 32 for epoch in range(3)}
NEXT_KEYS = {epoch: bytes([9 - epoch]) * 32 for epoch in range(3)}


def made(seed: int = 1, session: bytes = SESSION, former: bytes | None = None) -> Instance:
    return Instance(session, 3, random.Random(seed).randbytes, former)


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


def test_another_follows_once():
    """Not a second time, whatever became of the first: two that followed would count from 0 under one key."""
    before = made()
    first = name(before)
    followed = before.hand_on(KEYS)
    assert followed == first
    assert name(made(2, NEXT, followed), keys=NEXT_KEYS) == instance_after(NEXT_KEYS[0], first)
    assert before.hand_on(KEYS) is None
    assert name(made(3, NEXT, before.hand_on(KEYS)), keys=NEXT_KEYS) == random.Random(3).randbytes(INSTANCE_SIZE)
    assert name(before) == first


def test_one_that_has_not_been_used_is_handed_on_if_it_follows_itself_and_never_drawn_for_that():
    assert made().hand_on(KEYS) is None
    between = made(2, NEXT, b"first")
    assert between.hand_on({1: NEXT_KEYS[1]}) is None
    between = made(2, NEXT, b"first")
    assert between.hand_on(NEXT_KEYS) == instance_after(NEXT_KEYS[0], b"first") == name(between, keys=NEXT_KEYS)


def test_without_the_key_of_epoch_0_it_is_drawn():
    late = {1: NEXT_KEYS[1]}
    assert name(made(2, NEXT, b"first"), 1, late) == random.Random(2).randbytes(INSTANCE_SIZE)


def test_what_follows_is_of_another_key_another_instance_and_tells_nothing_of_it():
    followers = {instance_after(key, former) for key in KEYS.values() for former in (b"first", b"other")}
    assert len(followers) == 6
    assert {len(each) for each in followers} == {INSTANCE_SIZE}
