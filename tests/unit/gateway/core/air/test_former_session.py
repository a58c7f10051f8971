"""The session before this one: what of its uplink goes on, for how long, and who is known from it."""

from __future__ import annotations

import dataclasses
import gc
import weakref

import pytest

from gateway.core.air.instances import INSTANCES_MAX
from gateway.core.air.uplink_opener import DERIVE_BURST, UplinkOpener
from keys.grant import Profile
from keys.keyring import SendKey, instance_after
from keys.lanes import Lane, uplink_kid
from tests import agency
from tests.memory_link import OBSERVER, PILOT, verified
from tests.unit.gateway.core.air.uplink_scene import Scene


class Changed(Scene):
    """At 1.0 the session is closed, and the next begins under an order with these stations. Stations 1 and 2 command."""

    def __init__(self, *, listed: bool = True, **changes: object) -> None:
        super().__init__((PILOT, PILOT, OBSERVER))
        self.keys = {station: self.key(station=station) for station in (1, 2)}
        self.recorded = self.command(self.keys[1])
        assert self.open(self.recorded).frames
        self.old = self.announcer
        first, *others = self.world.order.content.stations
        stations = (dataclasses.replace(first, **changes), *others) if listed else tuple(others)
        self.world.order = verified(dataclasses.replace(self.world.order.content, serial=2, stations=stations))
        self.change(1.0)

    def change(self, now: float) -> None:
        """The session is closed, and the next one begins."""
        former = self.aircraft
        self.aircraft = self.world.after(former, now)
        self.announcer = self.aircraft.announcer
        self.announcer.datagrams(now)
        self.aircraft.uplink_opener = UplinkOpener(self.announcer, former=former.uplink_opener)

    def late(self, station: int = 1, lane: Lane = Lane.UPLINK) -> bytes:
        """Sealed for the session that is closed, behind the echo of its closing beat."""
        kid = uplink_kid(lane, station, self.old.session_id, 0, self.world.random.randbytes(5))
        key = self.keys[station] if lane is Lane.UPLINK else SendKey(self.old.uplink_keys(1.0)[0][station], kid)
        plain = self.old.freshness._beats[-1][1] + (self.frame if lane is Lane.UPLINK else b"\1" + bytes(8))
        return self.sealed(key, plain, self.old.session_id)


def test_commands_of_the_session_before_go_on_for_fresh_ms():
    scene = Changed(guard="maintainer")
    for now in (1.0, 4.0):
        assert scene.open(scene.late(), scene.command(scene.key(station=2)), now=now).frames == [
            (1, scene.frame),
            (2, scene.frame),
        ]
    assert scene.drops(scene.late(), now=4.1) == {"unknown_session": 1}


def test_after_fresh_ms_its_keys_are_gone_whether_or_not_anything_comes_up():
    scene = Changed()
    old = weakref.ref(scene.old)
    scene.old = None
    scene.aircraft.uplink_opener.tick(4.0)
    gc.collect()
    assert old()
    scene.aircraft.uplink_opener.tick(4.1)
    gc.collect()
    assert old() is None


def test_a_recording_of_the_session_before_is_refused_as_ever():
    scene = Changed()
    assert scene.drops(scene.recorded, now=1.0) == {"replayed": 1}
    assert scene.drops(scene.recorded, now=3.5) == {"replayed": 1}


def test_nothing_else_of_the_session_before_goes_on():
    scene = Changed()
    assert scene.drops(scene.late(lane=Lane.CONTROL), now=1.0) == {"not_permitted": 1}


@pytest.mark.parametrize(
    "changes",
    [{"listed": False}, {"roles": OBSERVER}, {"pub": agency.public(Profile.X25519, 9)}, {"index": 9}],
    ids=["dropped", "no commander any more", "another's key", "another's place"],
)
def test_commands_of_a_station_that_the_new_order_does_not_let_command_end(changes):
    scene = Changed(**changes)
    assert scene.drops(scene.late(), now=1.0) == {"not_permitted": 1}
    assert scene.open(scene.late(2), now=1.0).frames == [(2, scene.frame)]


def test_a_station_that_commands_in_the_new_session_is_heard_in_the_old_one_no_more():
    scene = Changed()
    before = scene.late()
    assert scene.open(scene.command(), now=1.0).frames
    assert scene.drops(before, scene.late(), now=1.0) == {"not_permitted": 2}
    assert scene.open(scene.late(2), now=1.0).frames == [(2, scene.frame)]


def test_of_more_than_two_sessions_the_last_two_are_heard():
    scene = Changed()
    second = scene.command(scene.key(station=2))
    scene.change(2.0)
    assert scene.drops(scene.late(), now=2.0) == {"unknown_session": 1}
    assert scene.open(second, now=2.0).frames == [(2, scene.frame)]


def followed(scene: Changed, station: int = 1) -> SendKey:
    """Of station 1's ground, which was known in the session before; the new order lists it as `station`."""
    base = scene.announcer.current.uplink_keys[station]
    return scene.key(station=station, instance=instance_after(base, scene.keys[1].kid.to_bytes(8, "big")[3:]))


def flood(scene: Changed) -> list[bytes]:
    """By who has no key, of instances that nobody knows; half of them as if they were a station's challenges."""
    lanes = (Lane.CONTROL, Lane.UPLINK)
    return [
        scene.sealed(scene.key(lanes[number % 2], base=bytes(32)), bytes(40)) for number in range(2 * int(DERIVE_BURST))
    ]


def test_a_station_that_the_session_before_knew_passes_during_a_flood_from_the_first_word_on():
    scene = Changed()
    scene.open(*flood(scene), now=1.0)
    assert scene.drops(scene.command(), now=1.0) == {"over_budget": 1}
    assert scene.open(scene.command(followed(scene)), now=1.0).frames == [(1, scene.frame)]


@pytest.mark.parametrize(
    "changes", [{"listed": False}, {"pub": agency.public(Profile.X25519, 9)}], ids=["dropped", "another's key"]
)
def test_of_a_station_that_the_new_order_does_not_list_nothing_follows(changes):
    scene = Changed(**changes)
    assert [*scene.aircraft.uplink_opener._live] == []


def after(scene: Changed, name: bytes) -> bytes:
    """Station 1's instance in the session that there is now."""
    return instance_after(scene.announcer.current.uplink_keys[1], name)


def heard(scene: Changed, instance: bytes, now: float) -> bool:
    """Beside a flood, so that only who is known already is heard."""
    scene.open(*flood(scene), now=now)
    return bool(scene.open(scene.command(scene.key(instance=instance)), now=now).frames)


def test_a_station_that_the_session_before_did_not_hear_is_known_by_what_was_heard_before_that():
    """Its ground missed a session, or two."""
    scene = Changed()
    first = scene.keys[1].kid.to_bytes(8, "big")[3:]
    scene.change(2.0)
    assert heard(scene, after(scene, first), 2.0)
    scene = Changed()
    first = scene.keys[1].kid.to_bytes(8, "big")[3:]
    scene.change(2.0)
    scene.change(3.0)
    assert heard(scene, after(scene, first), 3.0)


@pytest.mark.parametrize("answered", [True, False])
def test_a_station_that_the_session_before_heard_is_known_whether_or_not_its_ground_had_an_answer(answered: bool):
    """Without one it goes on from what it followed from before; only the one that is heard keeps its slot."""
    scene = Changed()
    first = scene.keys[1].kid.to_bytes(8, "big")[3:]
    second = after(scene, first)
    assert scene.open(scene.command(scene.key(instance=second)), now=1.0).frames
    scene.change(2.0)
    by_first, by_second = after(scene, first), after(scene, second)
    known, other = (by_second, by_first) if answered else (by_first, by_second)
    assert heard(scene, known, 2.0)
    assert not heard(scene, other, 2.0)
    scene.change(3.0)
    formers = [former for live in scene.aircraft.uplink_opener._live for former in live.follows.values()]
    assert formers.count(known) == 1
    assert other not in formers


def test_one_that_may_have_two_names_takes_one_slot():
    scene = Changed()
    for _ in range(INSTANCES_MAX - 1):
        scene.open(scene.command(scene.key()), now=1.0)
    first = scene.keys[1].kid.to_bytes(8, "big")[3:]
    scene.open(scene.command(scene.key(instance=after(scene, first))), now=1.0)
    scene.change(2.0)
    mine = [live for live in scene.aircraft.uplink_opener._live if live.station.index == 1]
    assert len(mine) == INSTANCES_MAX
    assert sorted(len(live.follows) for live in mine) == [1] * (INSTANCES_MAX - 1) + [2]
    assert scene.drops(scene.command(), now=2.0) == {"too_many_instances": 1}
    scene.announcer.datagrams(7.1)
    assert scene.open(scene.command(), now=7.1).frames, "the idlest gave way, with both of its names"


def test_a_station_is_known_by_its_key_at_whatever_place_the_new_order_lists_it():
    scene = Changed(index=9)
    scene.open(*flood(scene), now=1.0)
    assert scene.open(scene.command(followed(scene, 9)), now=1.0).frames == [(9, scene.frame)]


def test_what_was_counted_goes_on():
    scene = Changed()
    counts = dict(scene.aircraft.uplink_opener.opened)
    scene.open(scene.late(), scene.command(scene.key(station=2)), now=1.0)
    assert scene.aircraft.uplink_opener.opened == {1: counts[1] + 1, 2: 1}
