"""Attacks by whoever has a transmitter and a recorder, and by the weather: the downlink's side."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator

from gateway.core import sframe
from gateway.core.air.announcer import REKEY_AFTER_PACKETS
from gateway.core.wire import BEYOND_BEAT_BY
from keys.lanes import Lane
from keys.order import Policy
from tests.hostile.row import Row, only
from tests.hostile.scene import STEP_S, Scene, delivered, interleaved, moved
from tests.memory_link import lossy

FORGED_PER_S = 10_000
FLOOD_S = 5.0
POOL = 400  # forgeries made ahead; none is remembered, so each is as new as the first


def bad_weather() -> Row:
    scene = Scene(1)
    air = lossy(random.Random(1), loss=0.3, duplicate=0.1, swap=0.1, damage=0.1)
    counters = moved(scene.station, lambda: [scene.station.receive(air(scene.step()), scene.now) for _ in range(1200)])
    got, pictures = scene.station.frames, scene.station.video[Lane.VIDEO_A]
    assert len(set(got)) == len(got)
    assert set(got) <= set(scene.frames)
    assert set(pictures) <= set(scene.pictures)
    assert len(got) > 0.55 * len(scene.frames)
    assert scene.is_well()
    return Row(
        "30 % loss, reorder, duplicates, truncation, bit flips",
        f"{len(scene.frames):,} frames and as many pictures in a minute",
        "what was not lost or damaged was delivered, unchanged, none twice",
        only(counters, "bad_tag", "replayed"),
    )


# --- floods ---


def forged_datagrams(scene: Scene) -> Iterator[bytes]:
    """Under the KID that seals video now, with counters that are ahead of the aircraft's."""
    announcer = scene.aircraft.announcer
    while True:
        key = announcer.current.send_keys[Lane.VIDEO_A]
        ctr = key.next_ctr + scene.rng.randrange(BEYOND_BEAT_BY // 2)
        yield sframe.encode_header(key.kid, ctr) + scene.rng.randbytes(200)


def flood(attack: str, make: Callable[[Scene], Iterator[bytes]], *counters: str) -> Row:
    """Ten thousand a second for five seconds, in which the aircraft turns to its next epoch."""
    scene = Scene(2, policy=Policy(lead_s=2))
    source, station = make(scene), scene.station
    station.receive([next(source)], scene.now)  # it may take a while to prepare
    scene.frames.clear()
    scene.pictures.clear()
    session = next(iter(station.listener.sessions.values()))
    scene.aircraft.announcer.current.send_keys[Lane.VIDEO_A].next_ctr = REKEY_AFTER_PACKETS
    began, installed, sent = scene.now, 0.0, 0

    def attacked() -> None:
        nonlocal installed, sent
        while scene.now < began + FLOOD_S:
            forgeries = list(itertools.islice(source, int(FORGED_PER_S * STEP_S)))
            sent += len(forgeries)
            station.receive(interleaved(scene.step(), forgeries), scene.now)
            station.listener.tick(scene.now)
            if 1 in session.uplink_keys and not installed:
                installed = scene.now - began

    drops = moved(station, attacked)
    assert station.frames == scene.frames
    assert station.video[Lane.VIDEO_A] == scene.pictures
    assert scene.aircraft.announcer.epoch == 1
    assert 0 < installed < 10
    assert scene.is_well()
    happened = f"no frame or picture lost; the next epoch was installed {installed:.2f} s after it was drawn"
    return Row(attack, f"{sent:,} in {FLOOD_S:g} s", happened, only(drops, *counters))


def flood_of_datagrams() -> Row:
    return flood("forged video datagrams of a live lane, 10,000 a second", forged_datagrams, "bad_tag")


# --- recordings ---


def replay_in_session() -> Row:
    scene = Scene(3)
    tape = scene.flight(10.0)
    scene.station.receive(tape, scene.now)
    before = delivered(scene.station)
    counters = moved(scene.station, lambda: scene.station.receive(tape, scene.now))
    assert delivered(scene.station) == before
    assert scene.is_well()
    return Row(
        "a recording of this session, played back",
        f"{len(tape)} datagrams",
        "nothing was delivered twice",
        only(counters, "replayed", "stale_beat"),
    )


def replay_across_sessions() -> Row:
    scene = Scene(4)
    tape = scene.aircraft.control(scene.now + 2) + scene.flight(10.0)
    scene.station.receive(tape, scene.now)
    scene.restarts()
    for datagrams in iter(scene.step, None):
        scene.station.receive(datagrams, scene.now)
        scene.station.listener.tick(scene.now)
        if len(scene.station.listener.sessions) == 1:
            break
    before = delivered(scene.station)
    counters = moved(scene.station, lambda: scene.station.receive(tape, scene.now))
    assert delivered(scene.station) == before
    assert scene.is_well()
    return Row(
        "a recording of an earlier session, at a station that heard a later one",
        f"{len(tape)} datagrams",
        "nothing was delivered",
        only(counters, "older_session", "unknown_session"),
    )


def replay_across_restarts() -> Row:
    scene = Scene(5)
    tape = scene.aircraft.control(scene.now + 2) + scene.flight(10.0)
    scene.restarts()
    for _ in range(120):  # until it has lasted
        scene.station.receive(scene.step(), scene.now)
    remembered = {
        heard.device_public: (heard.boot_counter, heard.session_id) for heard in scene.station.listener.take_heard()
    }
    scene.station = scene.world.station(1, remembered)
    counters = moved(scene.station, lambda: scene.station.receive(tape, scene.now))
    assert delivered(scene.station) == 0
    scene.now += 2
    scene.station.receive(scene.aircraft.control(scene.now), scene.now)
    assert scene.is_well()
    return Row(
        "the same, at a station that was restarted since",
        f"{len(tape)} datagrams",
        "nothing was delivered; the real aircraft opens",
        only(counters, "older_session", "unknown_session"),
    )


def reflected_down() -> Row:
    scene = Scene(6)
    tape = scene.flight(5.0)
    counters = moved(scene.aircraft, lambda: scene.aircraft.receive(tape, scene.now))
    assert not scene.aircraft.commands
    return Row(
        "the downlink reflected to the aircraft",
        f"{len(tape)} datagrams",
        "none was opened",
        only(counters, "wrong_direction"),
    )


ATTACKS = (
    bad_weather,
    flood_of_datagrams,
    replay_in_session,
    replay_across_sessions,
    replay_across_restarts,
    reflected_down,
)
