"""Attacks on the control plane: by those who never had an order of the operation, with a recorder, and with its op_id.

An order file gives op_id, and with it the key of the operation's control datagrams. A recorder gives datagrams that open.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator

import cbor2

from gateway.core import sframe
from gateway.core.air.announcer import BEAT_EVERY_S
from gateway.core.fragment import split
from gateway.core.wire import FRAGMENT_MAX, ControlHeader, Kind
from keys import cose
from keys.order import Policy
from tests.hostile.radio_attacks import FLOOD_S, FORGED_PER_S, POOL, flood
from tests.hostile.row import Row, only
from tests.hostile.scene import STEP_S, Scene, interleaved
from tests.memory_link import Station, join

Maker = Callable[[Scene], Iterator[bytes]]
JAMMED_S = 4.0
LINKED = 8  # bytes that two datagrams would have to share to be told to belong together


# --- what is sent: opened control datagrams, which `on_air` may seal ---


def forged_beats(scene: Scene) -> Iterator[bytes]:
    """In form and name of the session that is on the air, each of a higher number than any before, signed by nobody."""
    announcer = scene.aircraft.announcer
    for seq in itertools.count(1 << 20):
        payload = b"\xac\1" + cose.dumps(announcer.session_id) + b"\2" + cose.dumps(seq) + scene.rng.randbytes(100)
        yield forged(scene, Kind.BEAT, "zegel-beat", announcer.session_id[:8], payload)


def forged_statements(scene: Scene) -> Iterator[bytes]:
    while True:
        yield forged(scene, Kind.STATEMENT, "zegel-ss", b"\0", scene.rng.randbytes(90))


def forged(scene: Scene, kind: Kind, typ: str, kid: bytes, payload: bytes) -> bytes:
    parts = [cose.dumps({1: -19, 16: typ}), {4: kid}, payload, scene.rng.randbytes(64)]
    return split(kind, cose.dumps(cbor2.CBORTag(18, parts)))[0]


def forged_fragments(scene: Scene) -> Iterator[bytes]:
    while True:
        header = ControlHeader(Kind.ANNOUNCEMENT, scene.rng.randrange(2), 2, scene.rng.randbytes(8))
        yield header.encode() + scene.rng.randbytes(FRAGMENT_MAX)


def all_kinds(scene: Scene) -> Iterator[bytes]:
    sources = (forged_beats(scene), forged_statements(scene), forged_fragments(scene))
    pool = list(itertools.islice(itertools.chain.from_iterable(zip(*sources, strict=True)), POOL))
    yield from itertools.cycle(pool)


def with_op_id(make: Maker) -> Maker:
    """Sealed for the air, a pool of them over and over: none that was refused is remembered."""

    def made(scene: Scene) -> Iterator[bytes]:
        yield from itertools.cycle(scene.world.on_air(itertools.islice(make(scene), POOL)))

    return made


# --- against open feeds ---


def flood_by_outsiders() -> Row:
    return flood(
        "forged statements, beats and fragments by an attacker who never had an order of the operation, 10,000 a second",
        all_kinds,
        "unopened_control",
    )


def flood_of_beats() -> Row:
    return flood("with op_id: forged beats, 10,000 a second", with_op_id(forged_beats), "bad_signature", "over_budget")


def flood_of_beats_after_a_gap() -> Row:
    """From before the gap on, and at the end of it the lease is over."""
    scene = Scene(3)
    station, source = scene.station, with_op_id(forged_beats)(scene)
    share, sent = int(FORGED_PER_S * STEP_S), 0
    station.receive([next(source)], scene.now)
    ended = scene.now + JAMMED_S
    while not station.frames or station.frames[-1] != scene.frames[-1]:
        said = [] if scene.now < ended else scene.step()
        scene.now += STEP_S if not said else 0.0
        station.receive(interleaved(said, list(itertools.islice(source, share))), scene.now)
        station.listener.tick(scene.now)
        sent += share
    again = scene.now - ended
    assert again <= BEAT_EVERY_S + 2 * STEP_S
    return Row(
        f"the same while the aircraft is jammed for {JAMMED_S:g} s, and after it",
        f"{sent:,} in {sent / FORGED_PER_S:.2f} s",
        f"the feed opened {again:.2f} s after the gap, by the next beat",
        only(station.drops, "bad_signature", "over_budget"),
    )


def flood_of_statements() -> Row:
    return flood(
        "with op_id: forged statements, 10,000 a second", with_op_id(forged_statements), "bad_signature", "over_budget"
    )


def flood_of_fragments() -> Row:
    return flood(
        "with op_id: forged announcement fragments, 10,000 a second", with_op_id(forged_fragments), "unlisted_fragment"
    )


# --- against a station that has not joined yet ---


def joined_within(scene: Scene, late: Station, source: Iterable[bytes], seconds: float) -> float | None:
    """How long a station took to open what the aircraft seals now, under a flood; None if it did not while that went on."""
    began, flood_, announcer = scene.now, iter(source), scene.aircraft.announcer
    while scene.now < began + seconds:
        late.receive(interleaved(scene.step(), itertools.islice(flood_, int(FORGED_PER_S * STEP_S))), scene.now)
        late.listener.tick(scene.now)
        session = late.listener.sessions.get(announcer.session_id[:8])
        if session and session.granted and session.beat and session.beat.epoch == announcer.epoch:
            return scene.now - began
    return None


def outsiders_before_joining() -> Row:
    """It begins long before the station does, and never ends."""
    scene, policy = Scene(2, policy=Policy(announce_s=1)), 1
    late, source = scene.world.station(2), all_kinds(scene)
    scene.flight(3.0)  # the first second of an epoch, with its five rounds, is over
    joined = joined_within(scene, late, source, FLOOD_S)
    assert joined is not None, "it did not join before the flood ended"
    assert joined <= policy + STEP_S
    return Row(
        "the same at a station that has not joined yet",
        f"{FORGED_PER_S * joined:,.0f} until it had",
        f"it joined after {joined:.2f} s, within a round, as without it",
        only(late.drops, "unopened_control"),
    )


def recording_before_joining() -> Row:
    """Of an hour, two epochs ago: beats in rising order, statements and fragments, over and over."""
    scene = Scene(7, policy=Policy(announce_s=1, rekey_s=60))
    tape: list[bytes] = []
    while len(tape) < 2_000:
        tape += [datagram for datagram in scene.step() if datagram[0] == 1]
    while scene.aircraft.announcer.epoch < 9:
        scene.step()
    late = scene.world.station(2)
    joined = joined_within(scene, late, itertools.cycle(tape), FLOOD_S)
    assert joined is not None, "it did not join before the flood ended"
    assert joined <= 3.0
    return Row(
        "control datagrams of earlier epochs, recorded, played in their order to a station that has not joined yet",
        f"{FORGED_PER_S * joined:,.0f} until it had, 10,000 a second",
        f"it joined after {joined:.2f} s: a beat is checked only if its number is above the last verified one",
        only(late.drops, "stale_beat"),
    )


def insider_before_joining() -> Row:
    """The budget protects a ground's processor; who holds op_id can use it up before a statement that is not known yet."""
    scene = Scene(2)
    late, began = scene.world.station(2), scene.now
    source = with_op_id(forged_statements)(scene)
    joined = joined_within(scene, late, source, FLOOD_S)
    ended, waited = scene.now, 0.0
    if joined is None:
        waited = join(scene.world, late, scene.aircraft, ended) - ended
    assert waited <= scene.world.order.content.policy.announce_s
    return Row(
        "with op_id: forged statements at a station that has not joined yet",
        f"{FORGED_PER_S * (scene.now - began):,.0f} in {scene.now - began:.3g} s",
        f"**it may have to wait for the end of the flood**, and then joined after {waited:.2f} s",
        only(late.drops, "over_budget"),
    )


# --- against who flies ---


def flights_linked() -> Row:
    """Two flights of one aircraft, as somebody with a receiver and no order compares them."""
    scene = Scene(8)
    first = scene.aircraft.control(scene.now) + scene.flight(20.0)
    scene.restarts()
    second = scene.aircraft.control(scene.now) + scene.flight(20.0)
    shared = parts_of(first) & parts_of(second)
    assert not shared, f"{len(shared)} pieces of {LINKED} bytes are in both flights"
    return Row(
        "two flights of one aircraft are recorded, to tell that they belong together",
        f"{len(first) + len(second):,} datagrams compared, each piece of {LINKED} bytes with each",
        f"no {LINKED} bytes behind first byte and header are in both",
        {},
    )


def parts_of(datagrams: Iterable[bytes]) -> set[bytes]:
    """Every piece of `LINKED` bytes of the control datagrams behind their first byte, of the others behind their header."""
    bodies = (datagram[1 if datagram[0] == 1 else sframe.decode_header(datagram)[2] :] for datagram in datagrams)
    return {body[at : at + LINKED] for body in bodies for at in range(len(body) - LINKED + 1)}


ATTACKS = (
    flood_by_outsiders,
    outsiders_before_joining,
    recording_before_joining,
    flood_of_beats,
    flood_of_beats_after_a_gap,
    flood_of_statements,
    flood_of_fragments,
    insider_before_joining,
    flights_linked,
)
