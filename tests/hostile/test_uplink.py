"""Who attacks the uplink: outsiders with a recording, stations beyond their role, a relay that holds back.

What each attacker sends is dropped under a counter that says why, and the pilot's next command passes.
"""

from __future__ import annotations

import random

import pytest

from gateway.core import sframe
from gateway.core.refusal import Refusal
from gateway.core.sealer import Sealer
from keys.keyring import REJECT_AFTER_PACKETS, SendKey
from keys.lanes import Lane, uplink_kid
from keys.order import Policy
from tests.hostile.mutation import cuts, flips, mutated
from tests.memory_link import OBSERVER, PILOT, Aircraft, Station, World, command, join, mavlink_frame


class Scene:
    """An aircraft, a pilot who may command it, and an observer who has joined."""

    def __init__(self, seed: int = 1, policy: Policy | None = None) -> None:
        self.world = World(seed, roles=(PILOT, OBSERVER, PILOT), policy=policy)
        self.rng = random.Random(seed)
        self.aircraft: Aircraft = self.world.aircraft()
        self.pilot, self.observer = self.world.station(1), self.world.station(2)
        self.now = command(self.world, self.pilot, self.aircraft, 0.0)
        self.now = join(self.world, self.observer, self.aircraft, self.now)
        self.pass_time(0.5)

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += 0.1
            said = self.aircraft.control(self.now)
            for station in (self.pilot, self.observer):
                station.receive(said, self.now)
                self.aircraft.receive(station.control(self.now), self.now)

    def sealed(self, station: Station | None = None) -> list[bytes]:
        """A command, sealed and not yet sent."""
        out = (station or self.pilot).seal([mavlink_frame(self.rng, self.rng.randrange(256))], self.now)
        assert not isinstance(out, Refusal), out
        return out

    def attack(self, *datagrams: bytes) -> dict[str, int]:
        """What the counters moved by; no frame may have come through, and the pilot's next command must."""
        before, commands = self.aircraft.drops, len(self.aircraft.commands)
        self.aircraft.receive(datagrams, self.now)
        moved = dict(self.aircraft.drops - before)
        assert len(self.aircraft.commands) == commands
        self.aircraft.receive(self.sealed(), self.now)
        assert len(self.aircraft.commands) == commands + 1, self.aircraft.drops
        return moved

    def session_of(self, station: Station) -> bytes:
        (session,) = station.listener.sessions.values()
        return session.session_id

    def forged(self, station: Station, lane: Lane, plain: bytes, name: int) -> bytes:
        """Under the uplink key that `station` really holds, in the name of station `name`."""
        (session,) = station.listener.sessions.values()
        kid = uplink_kid(lane, name, session.session_id, 0, self.rng.randbytes(5))
        return Sealer(session.session_id).seal_one(SendKey(session.uplink_keys[0], kid), session.beat.nonce + plain)


@pytest.mark.parametrize("later_s", [10, 300])
def test_a_command_that_is_recorded_and_delivered_late(later_s: int):
    scene = Scene()
    recorded = [datagram for _ in range(20) for datagram in scene.sealed()]
    scene.pass_time(later_s)
    assert scene.attack(*recorded) == {"stale_echo": 20}


def test_a_recording_played_back_at_once_and_late():
    scene = Scene()
    recorded = scene.sealed() + scene.sealed()
    scene.aircraft.receive(recorded, scene.now)
    assert scene.attack(*recorded) == {"replayed": 2}
    scene.pass_time(10)
    assert scene.attack(*recorded).keys() <= {"replayed", "stale_echo"}


def test_the_aircrafts_own_datagrams_and_anothers_uplink_come_back():
    scene = Scene()
    own = scene.aircraft.telemetry([mavlink_frame(scene.rng, 1)], scene.now) + scene.aircraft.control(scene.now + 0.6)
    assert scene.attack(*own) == {"wrong_direction": len(own)}
    before = scene.pilot.drops
    scene.pilot.receive(scene.sealed(), scene.now)
    assert scene.pilot.drops - before == {"wrong_direction": 1}


def test_the_uplink_of_an_earlier_session_of_the_same_aircraft():
    scene = Scene()
    recorded = [datagram for _ in range(50) for datagram in scene.sealed()]
    for _ in range(300):  # until a session shares the byte that the KID carries
        scene.aircraft = scene.world.aircraft(scene.now)
        if scene.aircraft.announcer.session_id[0] == recorded[0][3]:
            break
    scene.pilot = scene.world.station(1)
    scene.now = command(scene.world, scene.pilot, scene.aircraft, scene.now)
    assert scene.attack(*recorded).keys() <= {"unknown_session", "bad_tag"}


def test_the_uplink_to_another_aircraft_of_the_operation():
    scene, other = Scene(1), Scene(2)
    assert scene.attack(*other.sealed()).keys() <= {"unknown_session", "bad_tag"}


def test_an_observer_that_forges_commands_in_its_own_name_and_in_the_pilots():
    scene = Scene()
    frame = mavlink_frame(scene.rng, 1)
    assert scene.attack(scene.forged(scene.observer, Lane.UPLINK, frame, 2)) == {"not_permitted": 1}
    for name in (1, 3):
        assert scene.attack(scene.forged(scene.observer, Lane.UPLINK, frame, name)) == {"bad_tag": 1}
        assert scene.attack(scene.forged(scene.observer, Lane.CONTROL, b"\1" + bytes(8), name)) == {"bad_tag": 1}
    assert scene.attack(scene.forged(scene.observer, Lane.CONTROL, b"\2" + bytes(40), 2)) == {"not_permitted": 1}


def test_an_observer_cannot_answer_the_pilots_challenge():
    """Beats are signed, and a challenge is told apart by its station: his own answers do not serve the pilot."""
    scene = Scene()
    (session,) = scene.pilot.listener.sessions.values()
    pilots = session.beat.challenges[1]
    scene.aircraft.receive([scene.forged(scene.observer, Lane.CONTROL, b"\1" + pilots, 2)], scene.now)
    scene.now += 11
    scene.pilot.receive(scene.aircraft.control(scene.now), scene.now)
    assert scene.pilot.seal([b"frame"], scene.now) is Refusal.NOT_FRESH


def test_a_pilots_key_with_counters_at_its_end():
    scene = Scene()
    (session,) = scene.pilot.listener.sessions.values()
    key = SendKey(session.uplink_keys[0], uplink_kid(Lane.UPLINK, 1, session.session_id, 0, bytes(5)))
    key.next_ctr = REJECT_AFTER_PACKETS - 1
    frame = mavlink_frame(scene.rng, 1)
    scene.aircraft.receive([Sealer(session.session_id).seal_one(key, session.beat.nonce + frame)], scene.now)
    assert scene.aircraft.commands[-1] == (1, frame)
    assert scene.attack() == {}


def test_a_copied_seed_fills_the_slots_and_the_pilot_goes_on():
    """The thief holds the pilot's key and opens eight and more instances; what was alive stays, the alarm is counted."""
    scene = Scene()
    frame = mavlink_frame(scene.rng, 1)
    scene.aircraft.receive(scene.sealed(), scene.now)
    stolen = [scene.forged(scene.pilot, Lane.UPLINK, frame, 1) for _ in range(40)]
    before = len(scene.aircraft.commands)
    scene.aircraft.receive(stolen, scene.now)
    assert len(scene.aircraft.commands) - before == 7
    assert scene.aircraft.drops["too_many_instances"] == 33
    assert scene.attack() == {}


def test_a_station_killed_and_restarted_fifty_times_in_one_epoch():
    scene = Scene()
    for number in range(50):
        scene.pilot = scene.world.station(1)
        scene.now = command(scene.world, scene.pilot, scene.aircraft, scene.now + 0.5)
        frame = mavlink_frame(scene.rng, number)
        sealed = scene.pilot.seal([frame], scene.now)
        assert sframe.decode_header(sealed[0][:13])[1] == 0, "each counts from zero"
        scene.aircraft.receive(sealed, scene.now)
        assert scene.aircraft.commands[-1] == (1, frame)
    assert scene.aircraft.announcer.epoch == 0
    assert scene.aircraft.drops == {}


def test_a_flood_of_forged_instances_leaves_the_pilot_a_way_in():
    """Ten thousand a second of well-addressed forgeries: a known instance is not held up, a new one comes in between."""
    scene = Scene()
    frame = mavlink_frame(scene.rng, 0)
    real = scene.sealed()[0]
    arrived = 0
    for tick in range(100):
        scene.now += 0.01
        forged = [real[:4] + scene.rng.randbytes(5) + scene.rng.randbytes(60) for _ in range(100)]
        scene.aircraft.receive([*forged[:50], *scene.pilot.seal([frame], scene.now), *forged[50:]], scene.now)
        arrived += scene.aircraft.commands[-1:] == [(1, frame)]
        scene.aircraft.commands.clear()
        if tick % 40 == 0:
            scene.pilot.receive(scene.aircraft.control(scene.now), scene.now)
    assert arrived == 100
    assert 1_000 <= scene.aircraft.drops["bad_tag"] <= 1_250
    assert len([*scene.aircraft.uplink_opener._live]) <= 4
    restarted = scene.world.station(1)
    scene.now = join(scene.world, restarted, scene.aircraft, scene.now + 1)
    for _ in range(1_200):
        scene.now += 0.05
        flood = [real[:4] + scene.rng.randbytes(65) for _ in range(500)]
        for datagram in restarted.control(scene.now):
            flood.insert(scene.rng.randrange(len(flood)), datagram)
        scene.aircraft.receive(flood, scene.now)
        restarted.receive(scene.aircraft.control(scene.now), scene.now)
        if restarted.sessions.commanded[0].answered(scene.now):
            break
    assert restarted.sessions.commanded[0].answered(scene.now)


def test_a_command_cut_at_each_byte_and_with_each_bit_flipped():
    scene = Scene()
    (whole,) = scene.sealed()
    damaged = [*cuts(whole), *flips(whole)]
    before = sum(scene.aircraft.drops.values())
    scene.aircraft.receive(damaged, scene.now)
    assert scene.aircraft.commands == []
    assert sum(scene.aircraft.drops.values()) - before == len(damaged)
    scene.now += 1
    scene.aircraft.receive([whole], scene.now)
    assert len(scene.aircraft.commands) == 1, "damage used up nothing"


def rubbish(seed: int, count: int) -> None:
    """Whatever comes up is accepted or moves one counter; nothing raises."""
    scene = Scene(seed)
    samples = [*scene.sealed(), *scene.pilot.control(scene.now + 4), *scene.aircraft.control(scene.now + 1), b"\xf0" * 60]
    originals = set(samples)
    sent = [mutated(scene.rng, samples)[:1984] for _ in range(count)]
    sent = [datagram for datagram in sent if datagram not in originals]
    before = sum(scene.aircraft.drops.values())
    scene.aircraft.receive(sent, scene.now)
    assert scene.aircraft.commands == []
    assert sum(scene.aircraft.drops.values()) - before == len(sent)
    scene.pass_time(1.0)  # the rubbish may have spent the budget of derivations
    assert scene.attack() == {}


@pytest.mark.parametrize("seed", range(3))
def test_rubbish(seed: int):
    rubbish(seed, 3_000)


@pytest.mark.soak
def test_soak():
    for seed in range(100, 120):
        rubbish(seed, 50_000)
    print("1,000,000 damaged uplink datagrams at an aircraft")
