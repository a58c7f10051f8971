"""The largest beat that any valid order can cause fits one fragment, so no order is refused for it: SPEC.md section 5.4."""

from __future__ import annotations

import dataclasses

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core.fragment import split
from gateway.core.wire import FRAGMENT_MAX, Kind
from keys import cose
from keys.beat import STATE_MAX, Beat, is_state
from keys.grant import Profile
from keys.lanes import DOWNLINK_LANES, STATIONS_MAX, Role
from keys.order import Policy
from tests.memory_link import Aircraft, World

EVERYTHING = Role.TELEMETRY | Role.VIDEO | Role.COMMAND | Role.WITNESS | Role.CONTROL
U32, U64 = (1 << 32) - 1, (1 << 64) - 1
STATE = {**dict.fromkeys(range(9), U64), 300: 24}


def largest(profile: Profile) -> tuple[Aircraft, bytes]:
    """As the announcer lists its fragments, with everything else as large as it can be."""
    world = World(1, [EVERYTHING] * STATIONS_MAX, profile, Policy(rekey_s=60))
    aircraft = world.aircraft(lanes=DOWNLINK_LANES)
    announcer = aircraft.announcer
    announcer.datagrams(0.0)
    announcer.datagrams(55.0)  # in lead time, when the announcements of the next epoch are listed
    beat = Beat(
        session_id=announcer.session_id,
        seq=U32,
        nonce=bytes(8),
        epoch=U32,
        next_ctr=dict.fromkeys(announcer.current.next_ctrs(), U32),
        unix_time=U64,
        challenges=dict.fromkeys(range(1, STATIONS_MAX + 1), bytes(8)),
        fragments=announcer._listed,
        ms_to_next=U32,
        flags=255,
        session_ms=U32,
        state=STATE,
    )
    return aircraft, beat.sign(Ed25519PrivateKey.generate())


@pytest.mark.parametrize("profile", Profile)
def test_the_largest_beat_of_fifteen_stations_fits_one_fragment(profile: Profile, figure):
    aircraft, message = largest(profile)
    fragments = aircraft.announcer._listed
    assert len(fragments) == STATIONS_MAX
    assert len(message) <= FRAGMENT_MAX
    assert len(split(Kind.BEAT, message)) == 1
    each = {len(listed) for listed in fragments.values()}
    figure(f"the largest beat, {STATIONS_MAX} stations of {profile.label}, {each} fragments each: {len(message)} bytes")


def test_nothing_in_it_could_be_larger():
    """Its state is the largest there is, each KID and counter takes its most bytes, all stations and lanes are there."""
    assert is_state(STATE)
    assert len(cose.dumps(STATE)) == STATE_MAX
    assert {kid >> 8 for kid in World(1).aircraft(lanes=DOWNLINK_LANES).announcer.current.next_ctrs()} == {*DOWNLINK_LANES}
    assert len(dataclasses.fields(Beat)) == 12
