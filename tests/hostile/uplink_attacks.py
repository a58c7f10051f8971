"""Attacks on what goes up: delayed, recorded, reflected and forged commands, and stations that restart without end."""

from __future__ import annotations

from firmware_shims.guard import Guard
from gateway.core import sframe
from gateway.core.refusal import Refusal
from keys.lanes import Lane
from tests.hostile.row import Row, only
from tests.hostile.scene import moved
from tests.hostile.test_uplink import Scene
from tests.memory_link import command, mavlink_frame

RESTARTS = 50
INSTANCES = 40


def late(seconds: int) -> Row:
    scene = Scene()
    recorded = [datagram for _ in range(20) for datagram in scene.sealed()]
    scene.pass_time(seconds)
    return Row(
        f"a command recorded, held back, and delivered {seconds} s late",
        f"{len(recorded)} commands",
        "none reached the flight controller; the pilot's next one did",
        only(scene.attack(*recorded), "stale_echo"),
    )


def late_by_10_s() -> Row:
    return late(10)


def late_by_300_s() -> Row:
    return late(300)


def all_delayed() -> Row:
    """A relay that holds everything back by 11 s, so that echoes look old to the aircraft and beats new to the pilot."""
    scene = Scene()
    pilot, held = scene.world.station(1), []
    for _ in range(600):
        scene.now += 0.1
        held.append((scene.aircraft.control(scene.now), pilot.control(scene.now)))
        if len(held) > 110:
            down, up = held.pop(0)
            pilot.receive(down, scene.now)
            scene.aircraft.receive(up, scene.now)
    assert pilot.listener.leases
    assert pilot.seal([mavlink_frame(scene.rng, 1)], scene.now) is Refusal.NOT_FRESH
    return Row(
        "a relay that delays everything, both ways, by 11 s",
        "a minute of it",
        "no challenge comes back in time: the pilot's own ground refuses to command, and says so",
        only(scene.aircraft.drops, "stale_echo"),
    )


def played_back_at_once() -> Row:
    scene = Scene()
    recorded = [datagram for _ in range(20) for datagram in scene.sealed()]
    scene.aircraft.receive(recorded, scene.now)
    return Row(
        "commands recorded and played back at once",
        f"{len(recorded)} commands, accepted a moment before",
        "none was carried out twice",
        only(scene.attack(*recorded), "replayed"),
    )


def another_session() -> Row:
    scene = Scene()
    recorded = [datagram for _ in range(20) for datagram in scene.sealed()]
    while scene.aircraft.announcer.session_id[0] == recorded[0][3]:  # it is the same; or one of 256, which fails at the tag
        scene.aircraft = scene.world.aircraft(scene.now)
    scene.pilot = scene.world.station(1)
    scene.now = command(scene.world, scene.pilot, scene.aircraft, scene.now)
    return Row(
        "commands of an earlier session of the same aircraft",
        f"{len(recorded)} commands",
        "none was opened",
        only(scene.attack(*recorded), "unknown_session"),
    )


def reflected_up() -> Row:
    scene = Scene()
    sent = [datagram for _ in range(20) for datagram in scene.sealed()]
    counters = moved(scene.pilot, lambda: scene.pilot.receive(sent, scene.now))
    return Row(
        "the uplink reflected to a ground",
        f"{len(sent)} commands",
        "none was opened",
        only(counters, "wrong_direction"),
    )


def observer_in_its_own_name() -> Row:
    scene = Scene()
    frame = mavlink_frame(scene.rng, 1)
    assert scene.observer.seal([frame], scene.now) is Refusal.OBSERVER
    forged = [scene.forged(scene.observer, Lane.UPLINK, frame, 2) for _ in range(20)]
    return Row(
        "an observer commands in its own name, with a modified ground",
        f"{len(forged)} commands, sealed with the uplink key that it holds",
        "its role has no such lane: dropped before any key is derived. An unmodified ground refuses them itself",
        only(scene.attack(*forged), "not_permitted"),
    )


def observer_in_the_pilots_name() -> Row:
    scene = Scene()
    frame = mavlink_frame(scene.rng, 1)
    forged = [scene.forged(scene.observer, Lane.UPLINK, frame, name) for name in (1, 3) for _ in range(10)]
    return Row(
        "a station forges commands in another's name",
        f"{len(forged)} commands as the pilot's, sealed with its own key",
        "no tag verified: each station has a key of its own",
        only(scene.attack(*forged), "bad_tag"),
    )


def strangers_flood() -> Row:
    scene = Scene()
    real, arrived = scene.sealed()[0], 0
    scene.aircraft.receive([real], scene.now)
    before = scene.aircraft.drops
    for tick in range(200):
        scene.now += 0.01
        forged = [real[:4] + scene.rng.randbytes(65) for _ in range(100)]
        frame = mavlink_frame(scene.rng, tick)
        scene.aircraft.receive([*forged, *scene.pilot.seal([frame], scene.now)], scene.now)
        arrived += scene.aircraft.commands[-1:] == [(1, frame)]
        if tick % 50 == 0:
            scene.pilot.receive(scene.aircraft.control(scene.now), scene.now)
    assert arrived == 200
    return Row(
        "forged commands of unknown instances, 10,000 a second",
        "20,000 in 2 s, while the pilot commands 100 times a second",
        f"all {arrived} of the pilot's arrived: a known instance goes past the budget of the unknown",
        only(scene.aircraft.drops - before, "bad_tag", "over_budget"),
    )


def ninth_instance() -> Row:
    scene = Scene()
    scene.aircraft.receive(scene.sealed(), scene.now)
    before, commands = scene.aircraft.drops, len(scene.aircraft.commands)
    stolen = [scene.forged(scene.pilot, Lane.UPLINK, mavlink_frame(scene.rng, 1), 1) for _ in range(INSTANCES)]
    scene.aircraft.receive(stolen, scene.now)
    taken = len(scene.aircraft.commands) - commands
    counters = scene.aircraft.drops - before
    assert scene.attack() == {}
    return Row(
        "a copied station folder: one pilot's key in many grounds at once",
        f"{INSTANCES} instances in addition to the pilot's",
        f"**{taken} were accepted**, as the pilot's; the others not, and the pilot's own goes on",
        only(counters, "too_many_instances"),
    )


def killed_again_and_again() -> Row:
    scene, seals, firsts = Scene(), [], set()
    for number in range(RESTARTS):
        scene.pilot = scene.world.station(1)
        scene.now = command(scene.world, scene.pilot, scene.aircraft, scene.now + 0.5)
        frame = mavlink_frame(scene.rng, number)
        sealed = scene.pilot.seal([frame], scene.now)
        scene.aircraft.receive(sealed, scene.now)
        assert scene.aircraft.commands[-1] == (1, frame)
        seals += sealed
        firsts |= {sframe.decode_header(datagram[:13])[:2] for datagram in sealed}
    assert scene.aircraft.announcer.epoch == 0
    assert len(firsts) == len(seals)
    assert not scene.aircraft.drops
    return Row(
        "a station killed and restarted 50 times in one epoch",
        f"{RESTARTS} starts, each of which counts from 0",
        f"each commands again; {len(firsts)} different pairs of KID and counter: no (key, nonce) twice",
        {},
    )


def signing_keys() -> Row:
    frame = bytes([0xFD, 42, 0, 0, 0, 255, 190, 0, 1, 0]) + bytes(44)  # SETUP_SIGNING, message 256
    policies = ("observer", "camera-operator", "pilot", "maintainer")
    assert {Guard(policy).held(frame) for policy in policies} == {"SETUP_SIGNING"}
    return Row(
        "SETUP_SIGNING from a ground control station",
        "one frame under each guard policy",
        "under none does it cross; `guarded` counts it by station",
        {},
    )


ATTACKS = (
    late_by_10_s,
    late_by_300_s,
    all_delayed,
    played_back_at_once,
    another_session,
    reflected_up,
    observer_in_its_own_name,
    observer_in_the_pilots_name,
    strangers_flood,
    ninth_instance,
    killed_again_and_again,
    signing_keys,
)
