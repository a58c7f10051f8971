"""Attacks by who holds keys of the operation: a malicious observer, and an aircraft that grants wrongly."""

from __future__ import annotations

import dataclasses

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core.sealer import Sealer
from gateway.core.wire import Evidence
from keys.keyring import REJECT_AFTER_PACKETS, SendKey
from keys.lanes import Lane
from tests.hostile.row import Row, only
from tests.hostile.scene import moved
from tests.memory_link import OBSERVER, PILOT, Station, World, mavlink_frame
from tests.unit.gateway.core.by_hand import Aboard

OBSERVERS_LANES = (Lane.OBSERVER_TELEMETRY, Lane.VIDEO_A, Lane.VIDEO_B, Lane.EVIDENCE)
MANY = 100


class Readers:
    """A pilot (station 1) and two observers (2, 3) who have joined; 3 is malicious and holds the keys of his lanes."""

    def __init__(self, seed: int) -> None:
        self.world = World(seed, roles=[PILOT, OBSERVER, OBSERVER])
        self.aboard = Aboard(self.world)
        parts = self.aboard.announce(self.aboard.announced())
        for index in (2, 3):
            parts += self.aboard.announce(self.aboard.announced(index, lanes=OBSERVERS_LANES))
        said = [self.aboard.statement(), self.aboard.beat(), *parts]
        self.pilot, self.observer = self.world.station(1), self.world.station(2)
        for station in (self.pilot, self.observer):
            station.receive(self.world.on_air(said), 0.0)
            assert not station.drops
            assert station.listener.leases
        self.acknowledgement = mavlink_frame(self.world.random, 0)  # any frame: a lane does not look into them

    def forged(self, lane: Lane, plain: bytes, ctr: int = 0) -> bytes:
        """Under `lane`'s KID with the keys that the observer has."""
        known = lane if lane in OBSERVERS_LANES else Lane.OBSERVER_TELEMETRY
        key = SendKey(self.aboard.base_key(known), self.aboard.kid(lane))
        key.next_ctr = ctr
        return Sealer(self.aboard.session_id).seal_one(key, plain)

    def goes_on(self, station: Station, lane: Lane) -> bool:
        """Whether a real frame, of a counter that no forgery used, arrives."""
        frame = mavlink_frame(self.world.random, 1)
        station.receive([self.aboard.sealed(lane, frame, ctr=MANY)], 0.0)
        return station.frames[-1:] == [frame]


def telemetry_to_commanders() -> Row:
    readers = Readers(10)
    forged = [readers.forged(Lane.TELEMETRY, readers.acknowledgement, ctr) for ctr in range(MANY)]
    forged += [readers.forged(Lane.OBSERVER_TELEMETRY, readers.acknowledgement, ctr) for ctr in range(MANY)]
    counters = moved(readers.pilot, lambda: readers.pilot.receive(forged, 0.0))
    assert not readers.pilot.frames
    assert readers.goes_on(readers.pilot, Lane.TELEMETRY)
    return Row(
        "an observer forges telemetry and acknowledgements to a commander",
        f"{len(forged)} datagrams, in the commanders' lane and in its own",
        "the commander saw none: commanders have another lane, with another key",
        only(counters, "bad_tag", "not_granted"),
    )


def telemetry_to_observers() -> Row:
    readers = Readers(11)
    forged = [readers.forged(Lane.OBSERVER_TELEMETRY, readers.acknowledgement, ctr) for ctr in range(MANY)]
    counters = moved(readers.observer, lambda: readers.observer.receive(forged, 0.0))
    assert len(readers.observer.frames) == MANY
    assert not counters
    return Row(
        "an observer forges telemetry to another observer",
        f"{MANY} datagrams in the lane that both read",
        "**delivered**: readers of one lane share its key",
        {},
    )


def counter_at_its_end() -> Row:
    readers = Readers(12)
    last = [readers.forged(lane, readers.acknowledgement, REJECT_AFTER_PACKETS - 1) for lane in OBSERVERS_LANES[:2]]
    counters = moved(readers.observer, lambda: readers.observer.receive(last, 0.0))
    assert readers.goes_on(readers.observer, Lane.OBSERVER_TELEMETRY)
    return Row(
        "an observer seals with CTR 2^28-1, to close the window behind it",
        f"{len(last)} datagrams",
        "beyond the beat: not opened, no window moved",
        only(counters, "beyond_beat"),
    )


def beats_of_an_observer() -> Row:
    readers = Readers(13)
    own_key = Ed25519PrivateKey.generate()
    real, readers.aboard.session_key = readers.aboard.session_key, own_key
    messages = [readers.aboard.beat_message(epoch=5, flags=4) for _ in range(MANY)]
    readers.aboard.session_key = real
    forged = [readers.forged(Lane.EVIDENCE, bytes([Evidence.BEAT]) + m, ctr) for ctr, m in enumerate(messages)]
    counters = moved(readers.pilot, lambda: readers.pilot.receive(forged, 0.0))
    (session,) = readers.pilot.listener.sessions.values()
    assert (session.beat.epoch, session.closed) == (0, False)
    return Row(
        "an observer forges beats in the evidence lane: session closed, epoch 5",
        f"{MANY} sealed beats",
        "the lane opened, the signature did not verify: no beat was believed",
        only(counters, "bad_signature"),
    )


def grant_of_another(attack: str, sent: str, **changes: object) -> Row:
    """An aircraft signs a grant that was sealed for somebody else, or for somewhere else."""
    world = World(14, roles=[PILOT, OBSERVER])
    aboard, station = Aboard(world), world.station(1)
    whose = int("station" in changes) + 1
    announced = aboard.announced(whose, **{name: value for name, value in changes.items() if name != "station"})
    here = {"station": 1, "session_id": aboard.session_id, "order_hash": world.order.order_hash}
    parts = aboard.announce(dataclasses.replace(announced, **here))
    said = world.on_air([aboard.statement(), aboard.beat(), *parts])
    counters = moved(station, lambda: station.receive(said, 0.0))
    assert not station.listener.leases
    return Row(attack, sent, "HPKE's info names whom it is for and where: not installed", only(counters, "bad_grant"))


def grant_of_another_station() -> Row:
    return grant_of_another("a grant copied from another station", "station 2's, announced as station 1's", station=2)


def grant_of_another_device() -> Row:
    return grant_of_another(
        "a grant copied from another device", "another session's, announced in this", session_id=bytes(16)
    )


def grant_of_another_order() -> Row:
    sent = "sealed under another order, announced under this one"
    return grant_of_another("a grant copied from another order", sent, order_hash=bytes(32))


def different_keys() -> Row:
    world = World(15, roles=[PILOT, OBSERVER])
    aboard, station = Aboard(world), world.station(1)
    parts = aboard.announce(aboard.announced())
    aboard.base_keys[Lane.VIDEO_A, 0] = bytes(32)
    parts += aboard.announce(aboard.announced(2, lanes=OBSERVERS_LANES))
    said = world.on_air([aboard.statement(), aboard.beat(), *parts])
    counters = moved(station, lambda: station.receive(said, 0.0))
    return Row(
        "an aircraft gives two stations different keys for one lane",
        "two signed announcements that contradict each other",
        "seen by every station: the two signed messages are the proof",
        only(counters, "equivocation"),
    )


ATTACKS = (
    telemetry_to_commanders,
    telemetry_to_observers,
    counter_at_its_end,
    beats_of_an_observer,
    grant_of_another_station,
    grant_of_another_device,
    grant_of_another_order,
    different_keys,
)
