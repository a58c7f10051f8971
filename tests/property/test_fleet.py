"""Laws of a fleet, over seeded schedules: SPEC.md section 7.4.

Two aircraft, one of whose keys is in other hands, send frames of any system and component, valid heartbeats among them; the
pilot sends frames for any system; orders list ids, take lists away and revoke. Whatever happens:
  1  a frame for a system that has an owner is read by its owner alone
  2  a frame with an effect for all goes to no more than one
  3  a frame of a system that has an owner is shown only if its owner sent it
"""

from __future__ import annotations

import dataclasses
import random

import pytest

from tests.hostile.fleet import GCS_BEAT, Two, arm, beat, position, waypoint
from tests.memory_link import verified

SYSTEMS = (0, 1, 2, 3, 51, 255)


def other_order(two: Two, rng: random.Random) -> None:
    """The next one: other lists, and late in the schedule perhaps the second device void."""
    content = two.world.order.content
    ids = rng.sample(range(1, 60), 4)
    lists = [rng.choice([(), tuple(sorted(mine))]) for mine in (ids[:2], ids[2:])]
    first, second = (dataclasses.replace(d, systems=s) for d, s in zip(content.devices, lists, strict=True))
    second = dataclasses.replace(second, void=second.void or rng.random() < 0.1)
    changed = dataclasses.replace(content, serial=content.serial + 1, devices=(first, second))
    two.world.order = verified(changed)
    two.pilot.listener.adopt(two.world.order)
    two.pilot.sessions.adopt(two.world.order)


def owner_of(two: Two, system: int) -> bytes | None:
    return two.pilot.sessions.systems.owner(system)


@pytest.mark.parametrize("seed", range(40))
def test_each_hears_its_own_and_speaks_for_itself(seed):
    rng = random.Random(seed)
    two = Two(rng.choice([(), ((1,), (2,)), ((1, 51), ())]), seed=seed)
    two.talk()
    devices = [device.pub for device in two.world.order.content.devices]
    shown = read = 0
    for _ in range(60):
        if rng.random() < 0.05:
            other_order(two, rng)
        two.talk(0.1)
        place, system = rng.randrange(2), rng.choice(SYSTEMS)
        sent = [beat(system, rng.choice((1, 1, 2))), position(system)]
        for frame in two.down(two.both[place], *sent):
            assert owner_of(two, frame[5]) in (None, devices[place])
            shown += 1
        system = rng.choice(SYSTEMS)
        for frame in (arm(system), waypoint(system)):
            took = [devices[n] for n, frames in enumerate(two.up(GCS_BEAT, frame)) if frame in frames]
            owner = owner_of(two, system)
            assert len(took) <= 1
            assert not took or not system or took == [owner]
            read += len(took)
    assert shown > 0
    assert read > 0
