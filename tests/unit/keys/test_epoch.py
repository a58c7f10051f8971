from __future__ import annotations

import os
import random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keys import announcement, cose, epoch, grant
from keys.announcement import Announcement, Grant
from keys.epoch import Epoch, SessionSigner
from keys.grant import Profile
from keys.keyring import ReceiveKey
from keys.lanes import Lane, Role, downlink_kid
from keys.order_station import OrderStation

SESSION = Ed25519PrivateKey.generate()
SESSION_ID = b"\xa7" + bytes(15)
ORDER_HASH = b"o" * 32
LANES = (Lane.TELEMETRY, Lane.OBSERVER_TELEMETRY, Lane.VIDEO_A, Lane.EVIDENCE)
ROLES = {
    1: Role.TELEMETRY | Role.VIDEO | Role.COMMAND,
    2: Role.TELEMETRY | Role.VIDEO,
    3: Role.TELEMETRY,
    4: Role.VIDEO,
    5: Role.WITNESS,
}
LANES_OF = {
    1: {Lane.TELEMETRY, Lane.VIDEO_A, Lane.EVIDENCE},
    2: {Lane.OBSERVER_TELEMETRY, Lane.VIDEO_A, Lane.EVIDENCE},
    3: {Lane.OBSERVER_TELEMETRY, Lane.EVIDENCE},
    4: {Lane.VIDEO_A, Lane.EVIDENCE},
    5: {Lane.EVIDENCE},
}
SEEDS = {index: grant.generate(Profile.X25519, os.urandom) for index in ROLES}


def station(index: int) -> OrderStation:
    public = grant.public_bytes(Profile.X25519, SEEDS[index])
    guard = "pilot" if ROLES[index] & Role.COMMAND else "observer"
    return OrderStation(index, f"station-{index}", Profile.X25519, public, ROLES[index], guard, None, None)


def draw(number: int = 3, seed: int = 0, lanes: tuple[Lane, ...] = LANES) -> Epoch:
    entropy = random.Random(seed).randbytes
    return epoch.draw(number, lanes, map(station, ROLES), SessionSigner(ORDER_HASH, SESSION_ID, SESSION), entropy)


def opened(drawn: Epoch, index: int) -> tuple[Announcement, Grant]:
    announced = announcement.verify(cose.parse_sign1(drawn.announcements[index]), SESSION.public_key())
    return announced, announced.open(Profile.X25519, SEEDS[index])


@pytest.mark.parametrize("index", ROLES)
def test_each_station_is_granted_the_lanes_of_its_roles(index: int):
    announced, granted = opened(draw(), index)
    assert (announced.order_hash, announced.session_id) == (ORDER_HASH, SESSION_ID)
    assert (announced.epoch, announced.station, announced.suite) == (3, index, 5)
    assert set(granted.base_keys) == {downlink_kid(lane, SESSION_ID, 3) for lane in LANES_OF[index]}


def test_what_a_station_is_granted_opens_what_the_aircraft_seals():
    drawn = draw()
    _, granted = opened(drawn, 1)
    for lane in LANES_OF[1]:
        send = drawn.send_keys[lane]
        receive = ReceiveKey(granted.base_keys[send.kid], send.kid)
        sealed = send.cipher.encrypt(send.salt, b"plain", None)
        assert receive.cipher.decrypt(receive.salt, sealed, None) == b"plain"


def test_one_key_per_lane_the_same_for_all_its_readers():
    drawn = draw()
    grants = {index: opened(drawn, index)[1].base_keys for index in ROLES}
    by_kid: dict[int, set[bytes]] = {}
    for keys in grants.values():
        for kid, key in keys.items():
            by_kid.setdefault(kid, set()).add(key)
    assert all(len(keys) == 1 for keys in by_kid.values())
    assert len(set.union(*by_kid.values())) == len(LANES)


def test_an_uplink_key_is_one_stations_alone():
    drawn = draw()
    keys = {index: opened(drawn, index)[1].uplink_key for index in ROLES}
    assert keys == drawn.uplink_keys
    assert len(set(keys.values())) == len(ROLES)


def test_nothing_of_one_epoch_is_in_the_next():
    drawn, following = draw(3, seed=0), draw(4, seed=1)
    assert not {k.salt for k in drawn.send_keys.values()} & {k.salt for k in following.send_keys.values()}
    assert not set(drawn.uplink_keys.values()) & set(following.uplink_keys.values())
    assert not set(drawn.next_ctrs()) & set(following.next_ctrs())


def test_counters_start_at_zero_and_are_told_by_kid():
    drawn = draw()
    assert drawn.next_ctrs() == {downlink_kid(lane, SESSION_ID, 3): 0 for lane in LANES}
    drawn.send_keys[Lane.VIDEO_A].reserve(5)
    assert drawn.next_ctrs()[downlink_kid(Lane.VIDEO_A, SESSION_ID, 3)] == 5


def test_a_session_without_a_camera_grants_no_video():
    drawn = draw(lanes=(Lane.TELEMETRY, Lane.EVIDENCE))
    assert {lane for kid in opened(drawn, 2)[1].base_keys for lane in [Lane(kid >> 8)]} == {Lane.EVIDENCE}
    assert set(drawn.send_keys) == {Lane.TELEMETRY, Lane.EVIDENCE}


def test_no_secret_shows_in_a_repr():
    drawn = draw()
    assert repr(drawn) == "Epoch(number=3)"
