"""Which grants a ground installs: SPEC.md sections 5.3 and 5.5, step 5."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core import fragment
from gateway.core.drop_reason import DropReason
from gateway.core.fragment import split
from gateway.core.ground.listener import Listener
from gateway.core.ground.session import LATE_S
from gateway.core.wire import Kind
from keys import grant
from keys.grant import Profile
from keys.lanes import Lane
from keys.order_device import OrderDevice
from tests.memory_link import OBSERVER, PILOT, World, join, verified
from tests.unit.gateway.core.by_hand import PILOT_LANES, Aboard, device_of, ears, hear, the_session

FORGER = Ed25519PrivateKey.generate()


def joined(world: World | None = None) -> tuple[Aboard, Listener]:
    """A ground that has heard statement and first beat, and no grant."""
    world = world or World(1, roles=[PILOT, OBSERVER])
    aboard, ground = Aboard(world), ears(world)
    assert hear(ground, aboard.statement(), aboard.beat()) == [None, None]
    return aboard, ground


def announce(ground: Listener, aboard: Aboard, announced: Any, **beat: Any) -> DropReason | None:
    """Have the newest beat list a message, then say it; the outcome of its last fragment."""
    parts = aboard.announce(announced)
    return hear(ground, aboard.beat(**beat), *parts)[-1]


def test_a_grant_opens_the_lanes_of_our_roles():
    aboard, ground = joined()
    assert announce(ground, aboard, aboard.announced()) is None
    assert the_session(ground).granted
    opened = {lease.lane for leases in ground.leases.values() for lease in leases}
    assert opened == {Lane.TELEMETRY, Lane.VIDEO_A, Lane.VIDEO_B, Lane.EVIDENCE}


def test_the_table_of_leases_is_another_one_where_they_permit_something_else_and_only_there():
    """The data path prepares for a table, and asks each turn whether it is still the same one."""
    aboard, ground = joined()
    announce(ground, aboard, aboard.announced())
    leases = ground.leases
    assert leases
    ground.tick(0.1)
    assert ground.leases is leases
    assert hear(ground, aboard.beat(next_ctr={aboard.kid(lane): 100 for lane in PILOT_LANES}), now=0.2) == [None]
    assert ground.leases is not leases
    assert ground.leases.keys() == leases.keys()
    leases = ground.leases
    ground.tick(100.0)
    assert ground.leases != leases


def test_a_fragment_that_no_beat_lists():
    aboard, ground = joined()
    parts = split(Kind.ANNOUNCEMENT, aboard.announced().sign(aboard.session_key))
    assert hear(ground, *parts) == [DropReason.UNLISTED_FRAGMENT] * len(parts)
    assert not the_session(ground).granted


def test_a_listed_fragment_in_another_place_of_the_message():
    """The hash is over the whole control datagram, so nobody can move a fragment."""
    world = World(1, roles=[PILOT], profile=Profile.X_WING)
    aboard, ground = joined(world)
    parts = aboard.announce(aboard.announced())
    assert len(parts) == 2
    hear(ground, aboard.beat())
    moved = bytearray(parts[0])
    moved[2] = 1
    assert hear(ground, bytes(moved)) == [DropReason.UNLISTED_FRAGMENT]
    assert hear(ground, parts[1], parts[0]) == [None, None]
    assert the_session(ground).granted


def test_fragments_of_different_rounds_make_one_message():
    world = World(1, roles=[PILOT], profile=Profile.X_WING)
    aboard, ground = joined(world)
    first, second = aboard.announce(aboard.announced())
    assert hear(ground, aboard.beat(), first, aboard.beat(), aboard.beat(), second) == [None] * 5
    assert the_session(ground).granted


def test_a_session_that_lists_what_is_not_its_own_message():
    """Only a malicious aircraft can: fragments that are listed and yet make no message, or one it did not sign."""
    aboard, ground = joined()
    (part,) = split(Kind.ANNOUNCEMENT, b"message")
    mixed = part[:4] + bytes(8) + part[12:]
    listed = {1: [fragment.listed_hash(mixed)]}
    assert hear(ground, aboard.beat(fragments=listed), mixed) == [None, DropReason.BAD_MESSAGE_ID]
    forged = aboard.announced().sign(FORGER)
    assert announce(ground, aboard, forged) is DropReason.BAD_SIGNATURE
    assert announce(ground, aboard, b"\xff" * 50) is DropReason.BAD_SIGNATURE


def test_no_aircraft_can_take_anothers_announcements_for_itself():
    """One device of the order is copied or malicious, and lists in its own beats what another aircraft announces."""
    world, other = World(1, roles=[PILOT]), World(2)
    devices = (*world.order.content.devices, OrderDevice("second", -19, device_of(other)))
    world.order = verified(dataclasses.replace(world.order.content, devices=devices))
    victim, thief, ground = Aboard(world), Aboard(world, device_index=1), ears(world)
    thief.device_key = other.device_key
    parts = victim.announce(victim.announced())
    thief.fragments = victim.fragments
    assert hear(ground, thief.statement(), thief.beat(), victim.statement(), victim.beat()) == [None] * 4
    hear(ground, *parts)
    assert ground.sessions[victim.session_id[:8]].granted


def test_a_grant_again_is_a_repeat():
    aboard, ground = joined()
    parts = aboard.announce(aboard.announced())
    hear(ground, aboard.beat(), *parts)
    leases = ground.leases
    assert hear(ground, *parts * 3) == [None] * 3 * len(parts)
    assert ground.leases is leases


@pytest.mark.parametrize(
    "change",
    [{"session_id": bytes(16)}, {"order_hash": bytes(32)}, {"epoch": 1}, {"epoch": 2}],
    ids=",".join,
)
def test_a_grant_for_another_session_order_or_epoch(change: dict[str, Any]):
    """It is in order and opens with our key; it is just not for here and now."""
    aboard, ground = joined()
    announced = aboard.announced(**change)
    assert announced.open(Profile.X25519, aboard.world.seeds[1]).base_keys
    assert announce(ground, aboard, announced) is DropReason.BAD_GRANT
    assert not the_session(ground).granted


def test_a_grant_for_another_station_is_not_opened_but_its_commitments_are_noted():
    aboard, ground = joined()
    assert announce(ground, aboard, aboard.announced(station=2, lanes=(Lane.VIDEO_A, Lane.EVIDENCE))) is None
    assert not the_session(ground).granted
    aboard.base_keys[Lane.VIDEO_A, 0] = bytes(32)
    assert announce(ground, aboard, aboard.announced()) is DropReason.EQUIVOCATION
    assert not the_session(ground).granted


def test_a_grant_that_was_made_for_another_station():
    """Ours by its number, sealed to another's key."""
    aboard, ground = joined()
    stolen = dataclasses.replace(aboard.announced(station=2), station=1)
    assert announce(ground, aboard, stolen) is DropReason.BAD_GRANT


@pytest.mark.parametrize("lane", [Lane.OBSERVER_TELEMETRY, Lane.UPLINK])
def test_a_grant_of_a_lane_that_is_not_for_our_role(lane: Lane):
    aboard, ground = joined()
    assert announce(ground, aboard, aboard.announced(lanes=(lane, Lane.EVIDENCE))) is DropReason.BAD_GRANT
    assert ground.leases == {}


def test_a_grant_of_kids_that_are_no_lane():
    aboard, ground = joined()
    announced = aboard.announced(lanes=())
    strange = dataclasses.replace(announced, commitments={0x6FF: bytes(32)})
    assert announce(ground, aboard, strange) is DropReason.BAD_GRANT


@pytest.mark.parametrize("change", [{"station": 2}, {"epoch": 1}, {}], ids=str)
def test_commitments_for_lanes_that_the_beat_does_not_name_are_not_noted(change: dict[str, Any]):
    """A malicious aircraft could have them kept without end, under other numbers each time."""
    aboard, ground = joined()
    announced = aboard.announced(lanes=(Lane.VIDEO_A, Lane.ORDER, Lane.EVIDENCE), **change)
    assert announce(ground, aboard, announced, ms_to_next=4_000) is DropReason.BAD_GRANT
    assert the_session(ground)._commitments == {}
    assert not the_session(ground).uplink_keys


def test_an_epoch_never_goes_back():
    """A malicious aircraft could grant epochs without end, none of which is ever over."""
    aboard, ground = joined()
    assert announce(ground, aboard, aboard.announced(epoch=3), epoch=3) is None
    assert hear(ground, aboard.beat(epoch=2)) == [DropReason.STALE_BEAT]
    assert hear(ground, aboard.beat(epoch=3), aboard.beat(epoch=4)) == [None, None]
    assert the_session(ground).uplink_keys.keys() == {3}


def test_a_grant_that_does_not_hold_what_it_commits_to():
    aboard, ground = joined()
    announced = aboard.announced()
    kid = aboard.kid(Lane.VIDEO_A)
    wrong = dataclasses.replace(announced, commitments={**announced.commitments, kid: grant.commitment(bytes(32), kid)})
    assert announce(ground, aboard, wrong) is DropReason.BAD_GRANT
    assert not the_session(ground).granted


def test_in_lead_time_the_next_epoch_is_installed_and_no_other():
    aboard, ground = joined()
    assert announce(ground, aboard, aboard.announced(epoch=0)) is None
    aboard.fragments.clear()
    assert announce(ground, aboard, aboard.announced(epoch=2), ms_to_next=4_000) is DropReason.BAD_GRANT
    assert announce(ground, aboard, aboard.announced(epoch=1), ms_to_next=4_000) is None
    assert {lease.key.kid & 0xF for leases in ground.leases.values() for lease in leases} == {0, 1}


def test_leases_of_an_old_epoch_end_with_a_tick():
    world = World(1, roles=[PILOT])
    aboard, station = Aboard(world), world.station(1)
    aboard.join(station, session_ms=0)
    ground = station.listener
    hear(ground, aboard.beat(epoch=1, session_ms=1_000), now=1.0)
    ground.tick(1.0 + LATE_S)
    assert aboard.kid(Lane.VIDEO_A, 0) in ground.leases
    ground.tick(1.1 + LATE_S)
    assert ground.leases == {}


def test_the_honest_announcer_and_every_role_agree():
    """The one test here that composes nothing: what core/announcer.py says is what this file has been imitating."""
    world = World(3, roles=[PILOT, OBSERVER])
    aircraft, stations = world.aircraft(), [world.station(1), world.station(2)]
    for station in stations:
        join(world, station, aircraft, 0.0)
        assert station.drops == {}


def late_over_rekeys(*epochs: int) -> tuple[Aboard, Listener]:
    """A ground that knows epoch 0, and late beats of these epochs, each with what it lists; 10 s lie between them."""
    world = World(1, roles=[PILOT])
    aboard, ground = Aboard(world), ears(world)
    parts = aboard.announce(aboard.announced())
    assert set(hear(ground, aboard.statement(), aboard.beat(session_ms=0), *parts)) == {None}
    for number, epoch in enumerate(epochs, 1):
        aboard.fragments.clear()
        parts = aboard.announce(aboard.announced(epoch=epoch))
        beat = aboard.beat(epoch=epoch, session_ms=10_000 * number)
        outcomes = hear(ground, beat, *parts, now=10 * number + LATE_S + 1)
        assert outcomes == [DropReason.LATE_BEAT] + [None] * len(parts)
    return aboard, ground


def test_what_only_a_late_beat_lists_is_the_way_up_and_opens_nothing():
    """Else who missed a rekey could not ask, and without an answer all beats stay late."""
    aboard, ground = late_over_rekeys(1)
    session = the_session(ground)
    assert session.uplink_keys.keys() == {0, 1}
    assert session._receive.keys() == {0}
    assert session._commitments.keys() == {(0, aboard.kid(lane)) for lane in PILOT_LANES}
    parts = split(Kind.ANNOUNCEMENT, aboard.announced(epoch=1).sign(aboard.session_key))
    assert hear(ground, *parts, now=13.0) == [DropReason.UNLISTED_FRAGMENT] * len(parts)  # another message than the listed
    parts = aboard.announce(aboard.announced(epoch=1))
    assert set(hear(ground, aboard.beat(epoch=1, session_ms=14_000), *parts, now=14.0)) == {None}
    assert session.granted
    assert {lease.epoch for leases in ground.leases.values() for lease in leases} == {1}


def test_a_beat_in_time_ends_what_a_late_one_lists():
    aboard, ground = late_over_rekeys(1)
    parts = aboard.announce(aboard.announced(epoch=1))
    hear(ground, aboard.beat(epoch=1, session_ms=11_000), now=11.0 + LATE_S + 1)
    aboard.fragments.clear()
    assert hear(ground, aboard.beat(epoch=1, session_ms=20_000), now=20.0) == [None]
    assert hear(ground, *parts, now=20.0) == [DropReason.UNLISTED_FRAGMENT] * len(parts)


def test_of_what_late_beats_list_little_is_kept():
    """Who has the device key lists what they like, epoch after epoch."""
    _, ground = late_over_rekeys(*range(40, 70), *range(70, 40, -1))
    session = the_session(ground)
    assert len(session.uplink_keys) <= 6
    assert len(session.listed_late.taken) == 1
    assert not session.listed_late.reassembler._parts
