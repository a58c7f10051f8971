"""Anyone can transmit. Whatever he sends is dropped and counted, costs little memory, and the real aircraft goes on.

tests/unit composes single attacks; here they come as a mass, on both a station that has joined and one that has not.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import cbor2
import pytest

from gateway.batch import ROOM
from gateway.core.fragment import split
from gateway.core.ground.listener import SESSIONS_MAX
from gateway.core.wire import CONTROL_HEADER_SIZE, FRAGMENT_MAX, ControlHeader, Kind
from keys import cose
from keys.lanes import Lane
from tests.hostile.mutation import cuts, flips, mutated, strange_cbor
from tests.hostile.scene import Scene, delivered, dropped
from tests.memory_link import join, mavlink_frame

FIRST_BYTES = (0x00, 0x01, 0x3F, 0x40, 0x7F, 0x80, 0x8F, *range(0x90, 0xA0), 0xA0, 0xEF, 0xF0, 0xFF)


def noise(rng: random.Random) -> bytes:
    """Bytes of any length that mean nothing, more often than not behind a first byte of ours."""
    size = rng.choice((0, 1, 2, 3, rng.randrange(40), rng.randrange(ROOM)))
    body = rng.randbytes(size)
    return bytes([rng.choice(FIRST_BYTES)]) + body[1:] if body and rng.random() < 0.8 else body


def strangers(rng: random.Random) -> bytes:
    """A well-formed control datagram of any kind around something that nobody signed."""
    message = strange_cbor(rng) if rng.random() < 0.5 else cose.dumps(sign1_of_anything(rng))
    return rng.choice(split(rng.choice(list(Kind)), message))


def sign1_of_anything(rng: random.Random) -> cbor2.CBORTag:
    unprotected = rng.choice(({}, {4: rng.randbytes(8)}, {4: "text"}, {4: [1, 2]}, {b"4": 4}))
    return cbor2.CBORTag(18, [rng.randbytes(rng.randrange(20)), unprotected, rng.randbytes(30), rng.randbytes(64)])


@pytest.mark.parametrize("joined", [True, False])
@pytest.mark.parametrize("make", [noise, strangers])
def test_each_piece_of_rubbish_moves_one_counter_and_nothing_else(make, joined: bool):
    scene = Scene()
    station = scene.station if joined else scene.world.station(2)
    leases, before = station.listener.leases, dropped(station)
    rubbish = [make(scene.rng) for _ in range(3_000)]
    station.receive(rubbish, scene.now)
    assert dropped(station) - before == len(rubbish)
    assert delivered(station) == 0
    assert station.listener.leases is leases
    assert len(station.listener.sessions) == joined
    assert scene.is_well()


def test_a_flight_cut_at_each_byte_and_with_each_bit_flipped():
    """One of each kind of datagram that the link carries, with everything wrong with it that one change can make."""
    scene = Scene()
    by_kind = {(d[0] >> 4, scene.world.kind(d) or d[1]): d for d in scene.flight(3.0) if len(d) < 600}
    assert len(by_kind) >= 6
    inside = scene.world.opened(by_kind.values())
    assert len(inside) >= 2
    for whole in (*by_kind.values(), *inside):
        station = scene.world.station(1)
        now = join(scene.world, station, scene.world.aircraft(scene.now), scene.now)
        for damaged in (*cuts(whole), *flips(whole)):
            station.receive(scene.world.on_air([damaged]) if whole in inside and damaged else [damaged], now)
        assert delivered(station) == 0


def test_a_damaged_recording_and_then_the_real_thing():
    scene = Scene()
    sent = scene.flight(5.0)
    scene.station.receive((mutated(scene.rng, sent)[:ROOM] for _ in range(5_000)), scene.now)
    assert len(set(scene.station.frames)) == len(scene.station.frames)
    assert set(scene.station.frames) <= set(scene.frames)
    assert set(scene.station.video[Lane.VIDEO_A]) <= set(scene.pictures)
    assert scene.is_well()


def test_the_traffic_of_another_agency():
    scene, other = Scene(1), Scene(2)
    before = delivered(scene.station)
    scene.station.receive(other.flight(5.0), scene.now)
    assert delivered(scene.station) == before
    assert set(scene.station.drops) <= {"unopened_control", "bad_tag", "unknown_kid", "not_granted"}
    assert scene.is_well()


def fragments_without_end(rng: random.Random) -> Iterator[bytes]:
    """First fragments of messages that never end."""
    while True:
        header = ControlHeader(Kind.ANNOUNCEMENT, 0, 16, rng.randbytes(8))
        yield header.encode() + rng.randbytes(FRAGMENT_MAX)


def test_a_flood_is_not_kept():
    """Ten thousand datagrams a second of each kind for two seconds: what a ground holds does not grow with them."""
    scene = Scene()
    ground, session = scene.station.listener, next(iter(scene.station.listener.sessions.values()))
    said = scene.world.opened(scene.aircraft.control(scene.now + 2))
    statement = next(d for d in said if d[1] == Kind.STATEMENT)
    signed = cose.parse_sign1(statement[CONTROL_HEADER_SIZE:])
    floods = [fragments_without_end(scene.rng), (strangers(scene.rng) for _ in iter(int, 1))]
    for tick in range(200):
        now = scene.now + tick * 0.01
        name = {4: session.session_id[:8]}
        beat = [signed.protected, name, scene.rng.randbytes(100), scene.rng.randbytes(64)]
        forged = split(Kind.BEAT, cose.dumps(cbor2.CBORTag(18, beat)))
        rubbish = [next(flood) for flood in floods for _ in range(40)] + forged * 20
        scene.station.receive(rubbish + scene.world.on_air(rubbish), now)
        ground.tick(now)
    scene.now += 2.0
    assert len(ground.sessions) <= SESSIONS_MAX
    assert len(ground._stated) == 1
    assert len(session.listed.reassembler._parts) == 0
    assert scene.is_well()


def test_a_reader_that_forges_ahead_spoils_no_more_than_it_reads():
    """A malicious reader holds the lane's key: he can use up counters within the beat's bound, and no other lane's."""
    scene = Scene()
    key = scene.aircraft.announcer.send_key(Lane.VIDEO_A)
    assert key is not None
    real, key.next_ctr = key.next_ctr, key.next_ctr + 100
    scene.station.receive(scene.aircraft.seal(Lane.VIDEO_A, [b"forged"] * 50), scene.now)
    key.next_ctr = real
    scene.station.video[Lane.VIDEO_A].clear()
    sent = scene.aircraft.seal(Lane.VIDEO_A, [b"first"] * 60) + scene.aircraft.seal(Lane.VIDEO_A, [b"second"] * 60)
    frame = mavlink_frame(scene.rng, 1)
    scene.station.receive(sent + scene.aircraft.telemetry([frame], scene.now), scene.now)
    assert len(scene.station.video[Lane.VIDEO_A]) == 120 - 20
    assert scene.station.frames[-1] == frame


@pytest.mark.soak
def test_soak(figure):
    count = 0
    for seed in range(40):
        scene = Scene(seed)
        sent = scene.flight(10.0)
        for _ in range(100):
            makers = (noise, strangers, lambda rng, sent=sent: mutated(rng, sent)[:ROOM])
            rubbish = [scene.rng.choice(makers)(scene.rng) for _ in range(640)]
            scene.station.receive(rubbish, scene.now)
            count += len(rubbish)
            scene.now += 0.02
        assert scene.is_well()
    figure(f"{count} datagrams of rubbish at stations that had joined")
