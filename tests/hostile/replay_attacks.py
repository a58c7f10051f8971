"""Attacks on time: what was sent is played back or held back, by who has no key; and starts of a copied device key."""

from __future__ import annotations

import dataclasses

from gateway.core.ground.listener import SESSIONS_MAX
from gateway.core.ground.starts import Start
from keys.lanes import Lane
from keys.policy import Policy
from tests.hostile.row import Row, only
from tests.hostile.scene import Scene, moved
from tests.memory_link import PILOT, Aircraft, Station, World, join

STEP_S = 0.1
LANES = (Lane.TELEMETRY, Lane.EVIDENCE)
LATE_S = 2.0  # SPEC.md section 5.7
SUPERSEDED_AFTER_S = 10.0  # section 6
Tape = list[tuple[float, list[bytes], list[bytes]]]  # (sent, control, telemetry)


def numbered(number: int) -> bytes:
    """A MAVLink 1 frame with a number in it."""
    return bytes([0xFE, 4, number & 0xFF, 1, 1, 0]) + number.to_bytes(4, "big") + bytes(2)


def recorded(aircraft: Aircraft, begin: float, end: float, every_s: float = STEP_S) -> Tape:
    """What an aircraft sends in a while: a frame in each step, which says when."""
    tape, steps = [], round((end - begin) / every_s)
    for step in range(steps):
        now = begin + step * every_s
        control = aircraft.control(now)
        tape.append((now, control, aircraft.telemetry([numbered(round(now * 10))], now)))
    return tape


def frames_of(tape: Tape, begin: float, end: float) -> list[bytes]:
    return [datagram for sent, _, frames in tape if begin <= sent < end for datagram in frames]


def control_of(tape: Tape, begin: float, end: float) -> list[bytes]:
    return [datagram for sent, control, _ in tape if begin <= sent < end for datagram in control]


def remembered(station: Station) -> dict[bytes, tuple[object, ...]]:
    """What the station was told to store, as the next one of its folder knows it."""
    return {heard.device_public: dataclasses.astuple(heard)[1:4] for heard in station.listener.take_heard()}


def listen(station: Station, tape: Tape) -> None:
    for now, control, frames in tape:
        station.receive([*control, *frames], now)
        station.listener.tick(now)


def _first_words(known_already: bool) -> tuple[int, int, Station]:
    """(frames of the past that were played, how many were delivered, the station)."""
    world = World(31, roles=[PILOT])
    aircraft = world.aircraft(lanes=LANES)
    tape = recorded(aircraft, 0.0, 300.0)
    before = world.station(1)
    listen(before, tape[:100])
    station = world.station(1, remembered(before) if known_already else {})
    station.receive(control_of(tape, 20.0, 22.5), 300.0)  # statement, beats and announcements of then
    assert any(session.granted for session in station.listener.sessions.values())
    live = recorded(aircraft, 300.0, 303.0)
    listen(station, live)
    heard, past = len(station.frames), frames_of(tape, 20.0, 299.0)
    assert station.frames[-1:] == [numbered(3029)]
    station.receive(past, 303.0)
    return len(past), len(station.frames) - heard, station


def old_beat_at_joining() -> Row:
    played, delivered, station = _first_words(known_already=False)
    assert delivered == 0
    return Row(
        "a station that joins hears an old beat first, then the aircraft, then the past",
        f"beats of 280 s ago, and {played:,} datagrams of 4 to 283 s ago",
        "the aircraft's first beat shows that those before were late: no frame of the past was delivered",
        only(station.drops, "too_old"),
    )


def old_beat_at_restart() -> Row:
    played, delivered, station = _first_words(known_already=True)
    assert delivered == 0
    return Row(
        "the same, at a station that restarted and knows the session",
        f"beats of 280 s ago, and {played:,} datagrams of 4 to 283 s ago",
        "no frame of the past was delivered",
        only(station.drops, "too_old"),
    )


def withheld_frames() -> Row:
    """By who relays the link: beats pass, telemetry does not, until it is wanted."""
    world = World(32, roles=[PILOT])
    aircraft, station = world.aircraft(lanes=LANES), world.station(1)
    now = join(world, station, aircraft, 0.0)
    tape = recorded(aircraft, now + 0.5, now + 580.0, 0.5)
    listen(station, [(sent, control, []) for sent, control, _ in tape])
    end = tape[-1][0]
    withheld, fresh = frames_of(tape, 0.0, end - LATE_S - 1.0), frames_of(tape, end - LATE_S + 0.1, end + 1.0)
    station.receive(withheld, end)
    assert station.frames == []
    station.receive(fresh, end)
    assert len(station.frames) == len(fresh)
    return Row(
        "telemetry withheld for as long as an epoch lasts, while beats pass, then let go",
        f"{len(withheld):,} datagrams, 3 to 580 s old",
        "none was opened; what was less than 2 s old was",
        only(station.drops, "too_old"),
    )


def withheld_epoch() -> Row:
    world = World(33, roles=[PILOT], policy=Policy(rekey_s=60, lead_s=5))
    aircraft, station = world.aircraft(lanes=LANES), world.station(1)
    now = join(world, station, aircraft, 0.0)
    tape = recorded(aircraft, now + 0.1, 69.0)
    listen(station, [(sent, control, frames if sent < 50 else []) for sent, control, frames in tape])
    assert aircraft.announcer.epoch == 1
    heard, withheld = len(station.frames), frames_of(tape, 50.0, 59.5)
    counters = moved(station, lambda: station.receive(withheld, 69.0))
    assert len(station.frames) == heard
    return Row(
        "the end of an epoch withheld, and let go 9 s after the next began",
        f"{len(withheld)} datagrams, 9 to 19 s old",
        "none was opened: an epoch is over 2 s after the beat that says so",
        only(counters, "unknown_kid"),
    )


def aircraft_gone() -> Row:
    """The aircraft is down, the ground is started again, and the newest session is played to it from the beginning."""
    world = World(34, roles=[PILOT])
    aircraft, station = world.aircraft(lanes=LANES), world.station(1)
    tape = recorded(aircraft, 0.0, 300.0)
    known: dict[bytes, tuple[object, ...]] = {}
    for begin in range(0, len(tape), 100):
        listen(station, tape[begin : begin + 100])
        known |= remembered(station)
    again = world.station(1, known)
    listen(again, [(sent + 1_000, control, frames) for sent, control, frames in tape])
    assert [frame for frame in again.frames if int.from_bytes(frame[6:10], "big") < 2_940] == []
    return Row(
        "the newest session of an aircraft that is gone, played to a ground that was restarted since",
        f"{len(frames_of(tape, 0.0, 300.0)):,} datagrams of five minutes, at their own pace",
        f"{len(again.frames)} frames were delivered, **all of the last 5 s**: so often the newest beat is stored",
        only(again.drops, "stale_beat"),
    )


def slow_relay() -> Row:
    """A relay that begins to delay everything; a link that becomes so slow is treated alike."""
    world = World(35, roles=[PILOT])
    aircraft, station = world.aircraft(lanes=LANES), world.station(1)
    now = join(world, station, aircraft, 0.0)
    listen(station, recorded(aircraft, now + 0.1, 20.0))
    heard, tape = len(station.frames), recorded(aircraft, 20.0, 80.0)
    delayed = [(sent + 5.0, control, frames) for sent, control, frames in tape]
    counters = moved(station, lambda: listen(station, delayed))
    assert len(station.frames) == heard
    listen(station, recorded(aircraft, 86.0, 90.0))
    assert station.frames[-1:] == [numbered(899)]
    return Row(
        "a relay begins to delay everything by 5 s, beats and all",
        "a minute of it",
        "nothing was opened, and the status names the delay; what came in time again opened at once",
        only(counters, "late_beat"),
    )


def pushed_out() -> Row:
    """At the first flight that a station hears: nothing has lasted, so earlier starts may begin when it is silent."""
    world = World(41, roles=[PILOT])
    earlier = [recorded(world.aircraft(lanes=LANES), 0.0, 1.0) for _ in range(SESSIONS_MAX)]
    aircraft, station = world.aircraft(lanes=LANES), world.station(1)
    tape = recorded(aircraft, 0.0, 60.0)
    listen(station, tape[:40])
    heard = len(station.frames)
    for number, start in enumerate(earlier):
        station.receive(control_of(start, 0.0, 1.0), 60.0 + number / 10)
    assert aircraft.announcer.session_id[:8] not in station.listener.sessions, "it still has its place"
    withheld = [(sent + 70.0, control, frames) for sent, control, frames in tape[40:]]
    station.receive(control_of(tape, 0.0, 1.0), 74.0)
    played = len(frames_of(withheld, 0.0, 200.0))
    counters = moved(station, lambda: listen(station, withheld))
    assert aircraft.announcer.session_id[:8] in station.listener.sessions, "it was not stated again"
    assert len(station.frames) == heard
    return Row(
        "eight recorded starts push the newest session out at a station that heard 4 s of it, and then it is played",
        f"{played} datagrams, 70 s old, with all their beats",
        "none was opened: of what was dropped it is kept how late its beats are",
        only(counters, "late_beat"),
    )


# --- starts of a device key ---


def copied_start(world: World, ahead: int, now: float) -> Aircraft:
    """Of who has the device key: a start whose boot counter is so far ahead of the aircraft's."""
    boots, world.boots = world.boots, world.boots + ahead - 1
    thief = world.aircraft(now, lanes=LANES)
    world.boots = boots
    return thief


def few_words() -> Row:
    scene = Scene(36)
    for _ in range(100):
        scene.station.receive(scene.step(), scene.now)
    known = remembered(scene.station)
    thief = copied_start(scene.world, 900, scene.now)
    words = thief.control(scene.now)
    scene.station.receive(words, scene.now)
    known |= remembered(scene.station)
    scene.now += SUPERSEDED_AFTER_S + 1
    real = scene.world.aircraft(scene.now)
    restarted = scene.world.station(1, known)
    took = max(join_session(station, real, scene.now) for station in (scene.station, restarted))
    return Row(
        "a copied device key says a few words of a start whose boot counter is far ahead",
        f"{len(words)} datagrams: its statement, a beat, and what grants the keys",
        f"the aircraft's next start opened in {took:.2f} s, at the ground that heard them and at one that was restarted",
        {},
    )


def words_and_an_answer() -> Row:
    scene = Scene(39)
    thief = copied_start(scene.world, 900, scene.now)
    words = thief.control(scene.now)
    scene.station.receive(words, scene.now)
    thief.receive(scene.station.control(scene.now), scene.now)
    for later in (0.2, 0.4, 40.0):
        beats = thief.control(scene.now + later)[:2]
        words += beats
        scene.station.receive(beats, scene.now + later)
        scene.station.control(scene.now + later)
    session = scene.station.listener.sessions[thief.announcer.session_id[:8]]
    assert session.opened
    assert session.proved
    now, known = scene.now + 40 + SUPERSEDED_AFTER_S + 1, remembered(scene.station)
    real = scene.world.aircraft(now)
    took = max(join_session(station, real, now) for station in (scene.station, scene.world.station(1, known)))
    return Row(
        "the same thief answers a challenge, and says a word more when 40 s have gone by",
        f"{len(words)} datagrams",
        f"the aircraft's next start opened in {took:.2f} s, at both grounds: its beats had not gone on for 5 s",
        {},
    )


def join_session(station: Station, aircraft: Aircraft, now: float) -> float:
    """Seconds until the station opens this session."""
    begin = now
    while now < begin + 10:
        station.receive(aircraft.control(now), now)
        station.listener.tick(now)
        granted = [session.session_id for session in station.listener.sessions.values() if session.granted]
        if aircraft.announcer.session_id in granted:
            return now - begin
        now += STEP_S
    raise AssertionError(f"not opened: {station.drops}")


def eight_copies() -> Row:
    world = World(37, roles=[PILOT])
    station, now = world.station(1), 0.0
    copies = [copied_start(world, ahead, now) for ahead in range(1, 9)]
    world.boots = 20
    real = world.aircraft(now, lanes=LANES)
    for _ in range(20):
        station.receive([datagram for copy in copies for datagram in copy.control(now)], now)
        station.receive(real.control(now), now)
        now += STEP_S
    assert real.announcer.session_id not in [session.session_id for session in station.listener.sessions.values()]
    refused = station.drops
    took = join_session(station, real, now + 4.0)
    return Row(
        "eight starts of a copied device key are alive when the aircraft starts, and fall silent",
        "two seconds of eight sessions",
        f"the aircraft was refused while they held the places; then it opened in {took:.2f} s",
        only(refused, "too_many_sessions"),
    )


def out_of_range() -> Row:
    scene = Scene(40)
    for _ in range(200):
        scene.station.receive(scene.step(), scene.now)
    begin, words = scene.now + 5.0, list[bytes]()
    for ahead in range(100, 108):
        words += copied_start(scene.world, ahead, begin).control(begin)[:2]
    counters = moved(scene.station, lambda: scene.station.receive(words, begin))
    assert scene.aircraft.announcer.session_id[:8] in scene.station.listener.sessions, "the aircraft was pushed out"
    took = join_session(scene.station, scene.aircraft, begin + 0.5)
    return Row(
        "a copied device key says a few words of eight starts while the aircraft, open for ten seconds, is out of range",
        f"{len(words)} datagrams: eight statements, each with a beat",
        f"the aircraft kept its place, and was open again in {took:.2f} s",
        only(counters, "too_many_sessions"),
    )


def kept_up() -> Row:
    scene = Scene(38)
    device, thief = scene.world.order.content.devices[0], copied_start(scene.world, 900, scene.now)
    for _ in range(70):
        scene.station.receive(thief.control(scene.now), scene.now)
        scene.now += STEP_S
    known = remembered(scene.station)
    real, restarted = scene.world.aircraft(scene.now), scene.world.station(1, known)
    counters = moved(restarted, lambda: restarted.receive(real.control(scene.now), scene.now))
    assert not restarted.listener.sessions
    named = scene.world.station(1, known, Start(device.pub, scene.world.boots))
    took = join_session(named, real, scene.now)
    return Row(
        "a copied device key keeps a session up whose boot counter is far ahead",
        "seven seconds of one",
        "**believed**: the aircraft's next start was refused, with an alarm that says what to do; under"
        f" `--accept-older-session` it opened in {took:.2f} s",
        only(counters, "older_session"),
    )


ATTACKS = (
    old_beat_at_joining,
    old_beat_at_restart,
    withheld_frames,
    withheld_epoch,
    aircraft_gone,
    slow_relay,
    pushed_out,
    few_words,
    words_and_an_answer,
    kept_up,
    eight_copies,
    out_of_range,
)
