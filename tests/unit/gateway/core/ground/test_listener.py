"""Whom a ground believes, in the order of SPEC.md section 5.5. Which grants it installs is in test_listener_grants.py."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core.budget import BURST_S
from gateway.core.drop_reason import DropReason
from gateway.core.fragment import split
from gateway.core.ground import listener
from gateway.core.ground.listener import SESSIONS_MAX, STATEMENTS_MAX, VERIFY_PER_S
from gateway.core.ground.session import LATE_S
from gateway.core.wire import Kind
from keys import cose
from keys.beat_flag import Flag
from keys.order_device import OrderDevice
from tests.memory_link import World, verified
from tests.unit.gateway.core.by_hand import Aboard, device_of, drops_of, ears, hear, the_session

FORGER = Ed25519PrivateKey.generate()


# --- 1: form ---


@pytest.mark.parametrize("kind", [Kind.STATEMENT, Kind.BEAT])
def test_statements_and_beats_are_one_fragment_named_by_its_hash(kind: Kind):
    ground = ears(World(1))
    halves = split(kind, bytes(2000))
    assert hear(ground, *halves) == [DropReason.BAD_MESSAGE_ID] * 2
    (whole,) = split(kind, b"message")
    assert hear(ground, whole + b"!") == [DropReason.BAD_MESSAGE_ID]
    assert hear(ground, whole[:12]) == [DropReason.BAD_CONTROL]


# --- 2: statements ---


def test_a_statement_of_our_device_begins_a_session():
    world = World(1)
    aboard, ground = Aboard(world), ears(world)
    assert hear(ground, aboard.statement()) == [None]
    assert the_session(ground).session_id == aboard.session_id
    assert ground.leases == {}
    assert ground.take_heard() == []  # nothing to remember before a beat


def test_a_repeat_costs_no_signature():
    world = World(1)
    ground, statement = ears(world), Aboard(world).statement()
    assert hear(ground, *[statement] * 1000) == [None] * 1000
    assert len(ground.sessions) == 1


def forged(world: World, **how: Any) -> bytes:
    aboard = Aboard(world, **how)
    aboard.device_key = FORGER
    return aboard.statement()


def as_beat(world: World) -> bytes:
    aboard = Aboard(world)
    message = cose.sign1(aboard.stated.payload(), "zegel-beat", world.device_key, {cose.HEADER_KID: b"\0"})
    return split(Kind.STATEMENT, message)[0]


def without_a_field(world: World) -> bytes:
    message = cose.sign1(cose.dumps({2: world.order.order_hash}), "zegel-ss", world.device_key, {cose.HEADER_KID: b"\0"})
    return split(Kind.STATEMENT, message)[0]


def with_another_kid(world: World) -> bytes:
    stated = Aboard(world, device_index=1).stated
    message = cose.sign1(stated.payload(), "zegel-ss", world.device_key, {cose.HEADER_KID: b"\0"})
    return split(Kind.STATEMENT, message)[0]


FORGED_STATEMENTS = {
    "signed by a device that it does not name": with_another_kid,
    "by another key": forged,
    "of another kind": as_beat,
    "not of its form": without_a_field,
    "no COSE at all": lambda _: split(Kind.STATEMENT, b"\xff" * 100)[0],
}


@pytest.mark.parametrize("how", FORGED_STATEMENTS)
def test_a_forged_statement(how: str):
    world = World(1)
    ground = ears(world)
    (reason,) = hear(ground, FORGED_STATEMENTS[how](world))
    assert reason is (
        DropReason.UNKNOWN_DEVICE if how in ("of another kind", "no COSE at all") else DropReason.BAD_SIGNATURE
    )
    assert ground.sessions == {}


def test_a_device_that_the_order_does_not_list():
    world = World(1)
    ground = ears(world)
    anonymous = cose.sign1(Aboard(world).stated.payload(), "zegel-ss", world.device_key)
    datagrams = [Aboard(world, device_index=1).statement(), *split(Kind.STATEMENT, anonymous)]
    assert hear(ground, *datagrams) == [DropReason.UNKNOWN_DEVICE] * 2


def test_the_last_device_of_a_large_order_is_heard_at_once():
    world = World(1)
    order = world.order.content
    others = tuple(
        OrderDevice(f"other-{n}", -19, Ed25519PrivateKey.generate().public_key().public_bytes_raw()) for n in range(255)
    )
    world.order = verified(dataclasses.replace(order, devices=(*others, *order.devices)))
    assert hear(ears(world), Aboard(world, device_index=255).statement()) == [None]


def test_copies_do_not_push_out_an_aircraft_that_lives():
    """Eight more starts of one device key, all beating: the holder of a copied key."""
    world = World(1)
    ground, real = ears(world), Aboard(world, boot=1)
    hear(ground, real.statement(), real.beat())
    for boot in range(2, 20):
        copy = Aboard(world, boot=boot)
        hear(ground, copy.statement(), copy.beat(), real.beat())
    assert real.session_id[:8] in ground.sessions
    assert len(ground.sessions) == SESSIONS_MAX
    last = Aboard(world, boot=21)
    assert hear(ground, last.statement(), now=10.0) == [None]  # all have fallen silent: a new start is heard


def test_a_session_that_ended_opens_nothing_after_a_while():
    world = World(1)
    ground, aboard = ears(world), Aboard(world)
    parts = aboard.announce(aboard.announced())
    beats = aboard.beat(session_ms=0), aboard.beat(session_ms=0, flags=int(Flag.SESSION_CLOSED))
    hear(ground, aboard.statement(), beats[0], *parts, beats[1])
    ground.tick(LATE_S)
    assert ground.leases  # what is still on its way
    ground.tick(LATE_S + 0.1)
    assert not ground.leases


def test_a_device_may_not_speak_for_another_of_the_same_order():
    world, other = World(1), World(2)
    device = OrderDevice("second", -19, device_of(other))
    world.order = verified(dataclasses.replace(world.order.content, devices=(*world.order.content.devices, device)))
    ground, aboard = ears(world), Aboard(world, device_index=1)
    assert hear(ground, aboard.statement()) == [DropReason.BAD_SIGNATURE]  # signed by the first
    aboard.device_key = other.device_key
    assert hear(ground, aboard.statement()) == [None]
    assert the_session(ground).device_public == device_of(other)


def test_a_device_that_flies_under_another_order():
    world = World(1)
    ground = ears(world)
    assert hear(ground, Aboard(world, order_hash=bytes(32)).statement()) == [None]
    assert the_session(ground).pending


def test_a_recording_of_many_starts_holds_no_place_of_the_one_that_is_on_the_air():
    """Each start is really signed by the device; that many were recorded may not keep the next one out."""
    world = World(1)
    past, live = [Aboard(world, boot) for boot in range(2, 2 + 3 * SESSIONS_MAX)], Aboard(world, boot=100)
    ground = ears(world, boot=1)
    hear(ground, *(aboard.statement() for aboard in past), past[0].beat())
    assert len(ground.sessions) <= SESSIONS_MAX
    assert hear(ground, live.statement(), live.beat()) == [None, None]
    hear(ground, *(aboard.statement() for aboard in past), now=30.0)
    ground.tick(30.0)
    assert live.session_id in {session.session_id for session in ground.sessions.values()}


def test_one_statement_cannot_be_made_into_many():
    """What is remembered of a statement is bounded by what the device signed, not by what a radio can send."""
    world = World(1)
    aboard, ground = Aboard(world), ears(world)
    for i in range(20):
        message = cose.sign1(aboard.stated.payload(), "zegel-ss", world.device_key, {4: bytes([i])})
        hear(ground, *split(Kind.STATEMENT, message), now=float(i))
    assert len(ground._stated) <= 1


def test_what_is_remembered_of_statements_is_bounded(monkeypatch: pytest.MonkeyPatch):
    """By number too: the holder of a device key can sign without end."""
    monkeypatch.setattr(listener, "STATEMENTS_MAX", 20)
    assert STATEMENTS_MAX >= 1_000  # as many recorded starts cost no signature check for long
    world = World(1)
    ground, statements = ears(world), [Aboard(world, boot=boot).statement() for boot in range(1, 41)]
    hear(ground, *statements)
    assert len(ground._stated) == 20
    assert hear(ground, statements[-1]) == [None]


# --- 3: beats ---


def test_a_beat_of_a_session_that_was_not_stated():
    world = World(1)
    assert hear(ears(world), Aboard(world).beat()) == [DropReason.UNKNOWN_SESSION]


def test_a_beat_without_the_name_of_its_session():
    world = World(1)
    aboard, ground = Aboard(world), ears(world)
    hear(ground, aboard.statement())
    message = cose.parse_sign1(aboard.beat_message())
    for unprotected in ({}, {4: "text"}, {4: bytes(8)}, {4: [1]}, {4: {}}):
        signed = cose.sign1(message.payload, "zegel-beat", aboard.session_key, unprotected)
        assert hear(ground, split(Kind.BEAT, signed)[0]) == [DropReason.UNKNOWN_SESSION]


def test_a_beat_by_another_session_or_for_another_session():
    world = World(1)
    aboard, other, ground = Aboard(world), Aboard(world, boot=2), ears(world)
    hear(ground, aboard.statement(), other.statement())
    theirs = cose.parse_sign1(other.beat_message(session_id=aboard.session_id))
    under_our_name = cose.sign1(theirs.payload, "zegel-beat", other.session_key, {4: aboard.session_id[:8]})
    under_their_own = cose.sign1(theirs.payload, "zegel-beat", other.session_key, {4: other.session_id[:8]})
    for message in (under_our_name, under_their_own):
        assert hear(ground, split(Kind.BEAT, message)[0]) == [DropReason.BAD_SIGNATURE]
    assert all(session.beat is None for session in ground.sessions.values())


def test_only_a_later_beat_is_believed():
    world = World(1)
    aboard, ground = Aboard(world), ears(world)
    hear(ground, aboard.statement())
    first, second, third = (aboard.beat(unix_time=i) for i in range(3))
    assert hear(ground, second, second, first, third, second) == [
        None,
        None,  # a repeat
        DropReason.STALE_BEAT,
        None,
        DropReason.STALE_BEAT,
    ]
    assert hear(ground, aboard.beat(seq=3)) == [DropReason.STALE_BEAT]  # the same number, another beat
    beat = the_session(ground).beat
    assert beat is not None
    assert (beat.seq, beat.unix_time) == (3, 2)


def test_a_beat_opens_nothing_that_was_not_granted():
    world = World(1)
    aboard, ground = Aboard(world), ears(world)
    assert hear(ground, aboard.statement(), aboard.beat()) == [None, None]
    assert ground.leases == {}


# --- the budget ---


def flood(aboard: Aboard, rng: random.Random, count: int, **claimed: Any) -> list[bytes]:
    """Beats in the session's name that it never signed; each would cost a signature check."""
    real = cose.parse_sign1(aboard.beat_message(**claimed))
    forged = ([real.protected, real.unprotected, real.payload, rng.randbytes(64)] for _ in range(count))
    return [datagram for parts in forged for datagram in split(Kind.BEAT, cose.dumps(cbor2.CBORTag(18, parts)))]


def test_a_flood_of_forgeries_costs_what_the_budget_allows():
    """10,000 a second for two seconds: 50 at once and 200 a second are looked at."""
    world = World(1)
    aboard, ground = Aboard(world), ears(world)
    hear(ground, aboard.statement())
    outcomes: list[DropReason | None] = []
    for i, datagram in enumerate(flood(aboard, world.random, 2_000)):
        outcomes += hear(ground, datagram, now=i / 1_000)
    checked = outcomes.count(DropReason.BAD_SIGNATURE)
    assert checked + outcomes.count(DropReason.OVER_BUDGET) == 2_000
    assert VERIFY_PER_S * BURST_S + 2 * VERIFY_PER_S - 5 <= checked <= VERIFY_PER_S * BURST_S + 2 * VERIFY_PER_S


def test_forged_statements_share_the_budget():
    world = World(1)
    ground = ears(world)
    outcomes = hear(ground, *(forged(world, boot=boot) for boot in range(1, 101)))
    assert outcomes.count(DropReason.BAD_SIGNATURE) == VERIFY_PER_S * BURST_S
    assert outcomes.count(DropReason.OVER_BUDGET) == 50
    assert hear(ground, Aboard(world).statement()) == [DropReason.OVER_BUDGET]
    assert hear(ground, Aboard(world).statement(), now=0.1) == [None]


def test_a_sealed_beat_passes_during_the_flood():
    world = World(1)
    aboard, station = Aboard(world), world.station(1)
    aboard.join(station)
    assert drops_of(station, *flood(aboard, world.random, 100, seq=aboard.seq + 9))[DropReason.OVER_BUDGET] > 0
    drops_of(station, aboard.beat(unix_time=1))
    assert the_session(station.listener).beat.unix_time == 0  # over budget
    station.receive([aboard.sealed_beat(0, aboard.beat_message(unix_time=2))], 0.0)
    assert the_session(station.listener).beat.unix_time == 2


def test_what_is_cheap_to_refuse_costs_no_budget():
    world = World(1)
    aboard, ground = Aboard(world), ears(world)
    hear(ground, aboard.statement(), aboard.beat())
    strangers = [Aboard(world, boot=9).beat(), split(Kind.BEAT, b"\xff")[0], split(Kind.ANNOUNCEMENT, b"never listed")[0]]
    for datagram in strangers * 200:
        assert hear(ground, datagram)[0] is not DropReason.OVER_BUDGET
    assert hear(ground, aboard.beat()) == [None]
