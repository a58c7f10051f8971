"""What of the control plane a ground looks into at all: SPEC.md section 5.5, steps 1 and 2."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cbor2
import pytest

from gateway.core.control_cipher import ControlCipher
from gateway.core.drop_reason import DropReason
from gateway.core.fragment import split
from gateway.core.ground import listener
from gateway.core.ground.listener import NEWEST_PER_S, VERIFY_PER_S, Listener
from gateway.core.wire import Kind
from keys import cose
from tests.memory_link import OBSERVER, PILOT, World, join
from tests.unit.gateway.core.by_hand import Aboard, ears, hear, on_air, the_session


def stated(world: World) -> tuple[Aboard, Listener]:
    """A ground that has heard the statement, and no beat."""
    aboard, ground = Aboard(world), ears(world)
    assert hear(ground, aboard.statement()) == [None]
    return aboard, ground


# --- the operation's key ---


def test_what_another_operation_says_is_not_looked_into(monkeypatch: pytest.MonkeyPatch):
    """The same device, the same order but for its op_id."""
    world, aboard = World(1), Aboard(World(1))
    ground, theirs = ears(world), ControlCipher(bytes(16))
    monkeypatch.setattr(listener, "parse_control", None)
    for datagram in (aboard.statement(), aboard.beat(), *aboard.announce(aboard.announced())):
        assert ground.control(theirs.seal(datagram), 0.0) is DropReason.UNOPENED_CONTROL


def test_a_control_datagram_in_clear_is_none():
    """As Zegel sent them before they were sealed."""
    world = World(1)
    aboard, ground = Aboard(world), ears(world)
    assert ground.control(aboard.statement(), 0.0) is DropReason.UNOPENED_CONTROL
    assert ground.sessions == {}


def test_a_station_joins_by_what_it_opens():
    world = World(1, roles=(PILOT, OBSERVER))
    for index in (1, 2):
        join(world, world.station(index), world.aircraft(), 0.0)


def test_a_statement_of_another_operations_order_stays_pending():
    """Somebody who holds both orders seals it under our key: it opens, and nothing rests on that."""
    world, other = World(1), World(2)
    other.device_key, other.order = world.device_key, other.order
    aboard, ground = Aboard(other), ears(world)
    assert hear(ground, aboard.statement(), aboard.beat()) == [None, None]
    assert the_session(ground).pending
    parts = aboard.announce(aboard.announced(lanes=()))
    assert hear(ground, aboard.beat(), *parts)[-1] is DropReason.UNKNOWN_ORDER
    assert not the_session(ground).granted


# --- seq, before the signature ---


def test_what_is_not_above_the_newest_costs_no_check(monkeypatch: pytest.MonkeyPatch):
    world = World(1)
    aboard, ground = stated(world)
    old, new = aboard.beat(), aboard.beat()
    assert hear(ground, new) == [None]
    monkeypatch.setattr(cose, "parse_sign1", None)
    assert hear(ground, *[old, aboard.beat(seq=2)] * 1000) == [DropReason.STALE_BEAT] * 2000


@pytest.mark.parametrize(
    "payload", [{2: 9}, {1: bytes(16)}, [1], 7, None, b"", {1: bytes(15), 2: 9}, {1: bytes(16), 2: -9}]
)
def test_a_beat_without_its_seq_in_its_place_is_refused_unchecked(payload: object, monkeypatch: pytest.MonkeyPatch):
    world = World(1)
    aboard, ground = stated(world)
    message = cose.sign1(cose.dumps(payload), "zegel-beat", aboard.session_key, {4: aboard.session_id[:8]})
    for size in range(len(message) - 64):
        assert hear(ground, split(Kind.BEAT, message[: size + 1])[0])[0] in (
            DropReason.UNKNOWN_SESSION,
            DropReason.BAD_SIGNATURE,
        )
    monkeypatch.setattr(cose, "parse_sign1", None)
    assert hear(ground, split(Kind.BEAT, message)[0]) == [DropReason.BAD_SIGNATURE]


@pytest.mark.parametrize("seq", [0, 23, 24, 255, 256, 65_535, 65_536, (1 << 32) - 1])
def test_a_seq_of_any_width_is_found(seq: int):
    world = World(1)
    aboard, ground = stated(world)
    assert hear(ground, aboard.beat(seq=seq)) == [None]
    assert the_session(ground).beat.seq == the_session(ground).highest_seq == seq


# --- the budget of the newest ---


def test_a_recording_in_rising_order_is_soon_used_up():
    """Five thousand beats a second to a station that had heard none of them: each that verifies makes others stale."""
    world = World(1)
    aboard, ground = stated(world)
    recorded = on_air(ground, *(aboard.beat() for _ in range(600)))
    outcomes = [ground.control(recorded[i % 600], i / 5_000) for i in range(5_000)]
    assert outcomes[:600].count(DropReason.OVER_BUDGET) > 500
    assert {*outcomes[-600:]} == {DropReason.STALE_BEAT, None}  # the newest is a repeat
    assert hear(ground, aboard.beat(), now=1.0) == [None]


def test_the_newest_beat_is_heard_during_a_flood_of_an_older_number():
    """Whoever has op_id forges beats above the last verified one; those of the aircraft rise above them."""
    world = World(1)
    aboard, ground = stated(world)
    real = cose.parse_sign1(aboard.beat_message(seq=1))
    forged = [
        split(Kind.BEAT, cose.dumps(cbor2.CBORTag(18, [real.protected, real.unprotected, real.payload, bytes([i]) * 64])))[
            0
        ]
        for i in range(250)
    ]
    flood = on_air(ground, *forged)
    for i in range(2_500):
        assert ground.control(flood[i % 250], i / 5_000) in (DropReason.BAD_SIGNATURE, DropReason.OVER_BUDGET)
    assert ground.control(flood[0], 0.5) is DropReason.OVER_BUDGET
    assert hear(ground, aboard.beat(seq=2), now=0.5) == [None]


def flood(aboard: Aboard, ground: Listener, **claimed: Any) -> Iterator[bytes]:
    """Beats in the session's name that it never signed, on the air."""
    real = cose.parse_sign1(aboard.beat_message(**claimed))
    while True:
        forged = [real.protected, real.unprotected, real.payload, aboard.world.random.randbytes(64)]
        yield on_air(ground, split(Kind.BEAT, cose.dumps(cbor2.CBORTag(18, forged)))[0])[0]


def test_a_seq_that_no_aircraft_has_reached_takes_nothing_from_the_next_beats():
    """As if after 60 s without a beat, 3,000 a second, the highest number that there is among them."""
    world = World(1)
    aboard, ground = stated(world)
    assert hear(ground, aboard.beat()) == [None]
    forgeries = [flood(aboard, ground, seq=seq) for seq in ((1 << 32) - 1, 5_000)]
    for i in range(3_000):
        ground.control(next(forgeries[i % 2]), 60.0 + i / 3_000)
        if i % 1_000 == 999:
            assert hear(ground, aboard.beat(), now=60.0 + i / 3_000) == [None]


def test_before_the_first_beat_a_forged_seq_counts_for_a_second():
    world = World(1)
    aboard, ground = stated(world)
    ground.control(next(flood(aboard, ground, seq=(1 << 32) - 1)), 0.0)
    older = flood(aboard, ground, seq=1)
    for now in (0.9, 1.1):
        outcomes = [ground.control(next(older), now) for _ in range(100)]
        assert outcomes[-1] is DropReason.OVER_BUDGET
        assert hear(ground, aboard.beat(seq=2), now=now) == [DropReason.OVER_BUDGET if now < 1 else None]


def test_what_holds_op_id_can_name_any_seq_and_costs_what_both_budgets_allow():
    world = World(1)
    aboard, ground = stated(world)
    outcomes: list[DropReason | None] = []
    for i in range(4_000):
        real = cose.parse_sign1(aboard.beat_message())  # a higher seq each time
        forged = [real.protected, real.unprotected, real.payload, world.random.randbytes(64)]
        outcomes += hear(ground, split(Kind.BEAT, cose.dumps(cbor2.CBORTag(18, forged)))[0], now=i / 2_000)
    checked = outcomes.count(DropReason.BAD_SIGNATURE)
    assert checked + outcomes.count(DropReason.OVER_BUDGET) == 4_000
    a_second = VERIFY_PER_S + NEWEST_PER_S
    assert 2.25 * a_second - 5 <= checked <= 2.25 * a_second
    assert the_session(ground).beat is None
