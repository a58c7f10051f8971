"""Sessions that share a KID: the first four bits of a session_id are all that a KID holds of it."""

from __future__ import annotations

import dataclasses

import pytest

from gateway.batch import HEADROOM
from gateway.core.drop_reason import DropReason
from keys.lanes import Lane
from tests.memory_link import Station, World
from tests.unit.gateway.core.by_hand import Aboard, batch_of, damaged, drops_of

SECRET = b"a picture that nobody else may see"


@pytest.fixture
def twins() -> tuple[Station, Aboard, Aboard]:
    """Two aircraft whose session_ids begin with the same four bits, and a station that has joined both."""
    world = World(2)
    other = World(3)
    devices = world.order.content.devices + other.order.content.devices
    order = dataclasses.replace(world.order.content, devices=devices)
    world.order = dataclasses.replace(world.order, content=order)
    one = Aboard(world, nibble=0xA)
    two = Aboard(world, nibble=0xA, device_index=1)
    two.device_key = other.device_key
    station = world.station(1)
    one.join(station)
    two.join(station)
    assert one.kid(Lane.VIDEO_A) == two.kid(Lane.VIDEO_A)
    return station, one, two


def test_each_session_opens_its_own(twins: tuple[Station, Aboard, Aboard]):
    station, one, two = twins
    sealed = [a.sealed(Lane.VIDEO_A, name, ctr) for ctr in range(3) for a, name in ((one, b"one"), (two, b"two"))]
    assert drops_of(station, *sealed) == {}
    assert sorted(station.video[Lane.VIDEO_A]) == [b"one"] * 3 + [b"two"] * 3
    assert drops_of(station, *sealed) == {DropReason.REPLAYED: 6}
    late = two.sealed(Lane.VIDEO_A, b"late", 3)
    assert drops_of(station, late) == {}
    assert sum(drops_of(station, late).values()) == 1
    assert station.video[Lane.VIDEO_A][6:] == [b"late"]


def test_a_copy_under_a_shared_kid_arrives_from_no_session(twins: tuple[Station, Aboard, Aboard]):
    """Which of the two sent it is not known before its tag is right, and a copy's is not looked at."""
    station, one, _ = twins
    sealed = one.sealed(Lane.VIDEO_A, b"one", 0)
    first, copy = (station.opener.open(batch_of(sealed), 0.0).arrivals for _ in range(2))
    assert [arrival.ctrs for arrival in first] == [[0]]
    assert copy == []


def test_what_neither_session_opens_is_wiped(twins: tuple[Station, Aboard, Aboard]):
    station, one, two = twins
    batch = batch_of(damaged(one.sealed(Lane.VIDEO_A, SECRET)), damaged(two.sealed(Lane.VIDEO_A, SECRET)))
    assert not station.opener.open(batch, 0.0).slots(Lane.VIDEO_A)
    assert station.drops == {"bad_tag": 2}
    assert SECRET not in bytes(batch.arena)
    assert not batch.octets[:, HEADROOM + 3 :].any()
