"""Which start of an aircraft may begin to open, and what is remembered of it: F1 of SPEC.md section 6."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.core.drop_reason import DropReason
from gateway.core.ground.listener import SESSIONS_MAX, Listener, StationIdentity
from gateway.core.ground.session import LASTED_S, Session
from gateway.core.ground.starts import (
    BOOT_JUMP_MAX,
    LEFT_MAX,
    STORE_EVERY_S,
    SUPERSEDED_AFTER_S,
    NewSession,
    Refused,
    Start,
    Starts,
)
from keys.beat_flag import Flag
from tests.memory_link import World
from tests.unit.gateway.core.by_hand import Aboard, device_of, ears, hear, last, the_session

OLDER = DropReason.OLDER_SESSION


def heard(aboard: Aboard, *, named: bool = False) -> NewSession:
    return NewSession(device_of(aboard.world), aboard.stated.boot_counter, aboard.session_id, aboard.seq, named)


def again(ground: Listener, aboard: Aboard) -> Listener:
    """The same station, after a restart: it knows what it was told to store."""
    known = {one.device_public: (one.boot_counter, one.session_id, one.seq) for one in ground.take_heard()}
    return Listener(aboard.world.order, StationIdentity(1, aboard.world.profile, aboard.world.seeds[1]), known)


# --- the boot counter ---


@pytest.mark.parametrize(
    ("boot", "believed"),
    [
        (1, False),
        (40, False),
        (41, False),  # an equal one, but another session
        (42, True),
        (41 + BOOT_JUMP_MAX, True),
        (42 + BOOT_JUMP_MAX, False),
    ],
)
def test_the_boot_counter_has_to_rise_and_not_to_jump(boot: int, believed: bool):
    world = World(1)
    aboard, ground = Aboard(world, boot), ears(world, boot=41)
    if believed:
        last(ground, aboard)
        assert ground.take_heard() == [heard(aboard)]
    else:
        assert hear(ground, aboard.statement()) == [OLDER]
        assert ground.starts.refused == Refused(boot, 41, device_of(world))


# --- what is remembered ---


def test_a_session_is_remembered_once_it_has_lasted():
    world = World(1)
    aboard, ground = Aboard(world), ears(world)
    parts = aboard.announce(aboard.announced())
    hear(ground, aboard.statement(), aboard.beat(), *parts)
    for now in (1.0, 2.0, 3.0, 4.0, LASTED_S - 0.1):
        hear(ground, aboard.beat(), now=now)
    assert ground.take_heard() == []
    hear(ground, aboard.beat(), now=LASTED_S)
    assert ground.take_heard() == [heard(aboard)]
    assert ground.take_heard() == []


@pytest.mark.parametrize("gap_s", [0.5, LASTED_S, 30.0, 600.0])
def test_a_few_beats_and_an_answer_are_not_remembered(gap_s: float):
    """Of a device key in other hands: a session is stated, granted, answers a challenge, and says a word more later."""
    world = World(1)
    aboard, ground = Aboard(world), ears(world)
    parts = aboard.announce(aboard.announced())
    hear(ground, aboard.statement(), aboard.beat(), *parts)
    the_session(ground).proved = True  # as a Commander says
    hear(ground, aboard.beat(), now=gap_s)
    hear(ground, aboard.beat(), now=2 * gap_s)
    assert ground.take_heard() == []


@pytest.mark.parametrize("passes", [lambda n: n % 7 == 0, lambda n: n % 16 < 9])
def test_an_attacker_that_jams_the_link_now_and_then_does_not_make_a_station_forget(passes: Callable[[int], bool]):
    """Beats come twice a second; one passes every 3.5 s, or those of 4.5 s between 3.5 s without."""
    world = World(1)
    earlier, aboard, ground = Aboard(world, boot=1), Aboard(world, boot=2), ears(world)
    parts = aboard.announce(aboard.announced())
    hear(ground, aboard.statement(), aboard.beat(), *parts)
    beats = [aboard.beat() for _ in range(1, 120)]
    heard_of = [(n, message) for n, message in enumerate(beats, 1) if passes(n)]
    assert {hear(ground, message, now=n / 2)[0] for n, message in heard_of} == {None}
    assert hear(ground, earlier.statement(), now=120.0) == [OLDER]  # in this process
    (known,) = ground.starts.lasting()
    assert known.seq == heard_of[-1][0] + 1
    ground.take_heard()
    remembered = {known.device_public: (known.boot_counter, known.session_id, known.seq)}
    restarted = Listener(world.order, StationIdentity(1, world.profile, world.seeds[1]), remembered)
    assert hear(restarted, earlier.statement(), now=120.0) == [OLDER]
    assert hear(restarted, aboard.statement(), *(message for _, message in heard_of), now=120.0) == [
        None,
        *[DropReason.STALE_BEAT] * len(heard_of),
    ]


def test_what_was_never_opened_here_is_not_remembered():
    world = World(1)
    aboard, ground = Aboard(world), ears(world)
    hear(ground, aboard.statement(), aboard.beat())
    for now in range(1, 20):
        assert hear(ground, aboard.beat(), now=float(now)) == [None]
    assert ground.take_heard() == []


def test_the_seq_is_handed_out_every_few_seconds_and_at_the_end():
    world = World(1)
    aboard, ground = Aboard(world), ears(world)
    now = last(ground, aboard)
    assert ground.take_heard() == [heard(aboard)]
    hear(ground, aboard.beat(), now=now + STORE_EVERY_S - 0.1)
    assert ground.take_heard() == []
    assert ground.starts.lasting() == [heard(aboard)]
    hear(ground, aboard.beat(), now=now + STORE_EVERY_S)
    assert ground.take_heard() == [heard(aboard)]


def test_a_station_that_restarts_takes_no_beat_that_it_had_heard():
    """The aircraft is gone, and its newest session is played back."""
    world = World(1)
    aboard, ground = Aboard(world, boot=7), ears(world)
    recorded = [aboard.statement(), *(aboard.beat() for _ in range(9))]
    last(ground, aboard)
    ground = again(ground, aboard)
    assert hear(ground, *recorded)[-9:] == [DropReason.STALE_BEAT] * 9
    assert not ground.leases
    assert hear(ground, aboard.beat()) == [None]  # it flies on


def test_what_was_heard_of_a_session_stays_old_when_it_was_dropped_and_is_stated_again():
    """It was closed before it had lasted, and the next one said a word and no more."""
    world = World(1)
    first, second, ground = Aboard(world, boot=1), Aboard(world, boot=2), ears(world)
    beats = [first.beat(), first.beat(), first.beat(flags=int(Flag.SESSION_CLOSED))]
    hear(ground, first.statement(), *beats, second.statement(), second.beat())
    assert the_session(ground).session_id == second.session_id
    later = SUPERSEDED_AFTER_S + 0.1
    assert hear(ground, first.statement(), *beats, now=later) == [None, *[DropReason.STALE_BEAT] * 3]


def test_what_was_withheld_of_a_session_is_late_when_it_was_dropped_and_is_stated_again():
    """Of who records: earlier starts, in their order, take its place before it has lasted."""
    world = World(1)
    earlier, real, ground = [Aboard(world, boot=boot) for boot in range(1, 9)], Aboard(world, boot=9), ears(world)
    parts = real.announce(real.announced())
    hear(ground, real.statement(), real.beat(session_ms=0), *parts)
    withheld = real.beat(session_ms=500)
    for number, start in enumerate(earlier):
        hear(ground, start.statement(), start.beat(), now=20.0 + number / 10)
    assert hear(ground, real.statement(), withheld, *parts, now=40.0) == [None, DropReason.LATE_BEAT, *[None] * len(parts)]
    assert not ground.leases


def test_of_what_was_dropped_little_is_kept():
    """Who has a device key makes as many starts as they like."""
    sessions: dict[bytes, Session] = {}
    world, starts = World(1), Starts({}, sessions)
    for seq in range(2 * LEFT_MAX):
        session = Session(Aboard(world, boot=seq).stated, device_of(world), seq=seq)
        sessions[session.session_id[:8]] = session
        starts.drop(session)
    assert [left.seq for left in starts._left[device_of(world)].values()] == [*range(LEFT_MAX, 2 * LEFT_MAX)]


# --- a key in other hands ---


def test_a_single_message_of_a_later_start_keeps_the_real_one_out_only_for_a_while():
    world = World(1)
    thief, real, ground = Aboard(world, boot=900), Aboard(world, boot=8), ears(world, boot=7)
    hear(ground, thief.statement(), thief.beat())
    assert hear(ground, real.statement(), real.beat()) == [OLDER, DropReason.UNKNOWN_SESSION]
    assert ground.starts.refused == Refused(8, 900, device_of(world))
    assert hear(ground, real.statement(), real.beat(), now=SUPERSEDED_AFTER_S + 0.1) == [None, None]
    assert set(hear(again(ground, real), real.statement(), real.beat())) == {None}  # nothing of it was stored


def test_what_is_open_goes_on_during_a_later_start():
    world = World(1)
    real, thief, ground = Aboard(world, boot=8), Aboard(world, boot=900), ears(world, boot=7)
    now = last(ground, real)
    now = last(ground, thief, now)
    assert hear(ground, real.beat(), now=now) == [None]
    assert {lease.session.session_id for leases in ground.leases.values() for lease in leases} == {
        real.session_id,
        thief.session_id,
    }
    assert ground.two_aircraft(now)


def test_a_few_messages_of_a_later_start_do_not_end_a_session_that_is_out_of_range():
    world = World(1)
    real, thief, ground = Aboard(world, boot=8), Aboard(world, boot=900), ears(world, boot=7)
    now = last(ground, real)
    parts = thief.announce(thief.announced())
    hear(ground, thief.statement(), thief.beat(), *parts, now=now)
    ground.tick(now + 60)
    assert hear(ground, real.beat(), now=now + 60) == [None]
    assert ground.leases


def test_what_had_a_beat_but_no_keys_does_not_begin_during_a_later_start():
    world = World(1)
    old, new, ground = Aboard(world, boot=1), Aboard(world, boot=2), ears(world)
    parts = old.announce(old.announced())
    hear(ground, old.statement(), old.beat(), new.statement(), new.beat())
    assert hear(ground, *parts) == [OLDER] * len(parts)
    assert not ground.leases
    later = SUPERSEDED_AFTER_S + 0.1  # the later one said a few words and no more
    assert hear(ground, old.beat(), *parts, now=later) == [None] * (1 + len(parts))
    assert ground.leases


def test_a_start_that_was_refused_for_want_of_room_is_heard_when_there_is_some():
    """Eight starts of a copied key held the places; what was said of it then must not be its answer for good."""
    world = World(1)
    ground, real = ears(world), Aboard(world, boot=100)
    for boot in range(1, SESSIONS_MAX + 1):
        copy = Aboard(world, boot=boot)
        hear(ground, copy.statement(), copy.beat())
    statement = real.statement()
    assert hear(ground, statement) == [DropReason.TOO_MANY_SESSIONS]
    assert hear(ground, statement, real.beat(), now=20.0) == [None, None]


def crowd(ground: Listener, world: World, now: float, first: int = 100) -> list[DropReason | None]:
    """Statement and first beat of so many starts of a copied key as there are places; what became of each."""
    copies = [Aboard(world, boot=boot) for boot in range(first, first + SESSIONS_MAX)]
    return [outcome for copy in copies for outcome in hear(ground, copy.statement(), copy.beat(), now=now)]


def test_what_has_lasted_keeps_its_place_when_it_is_out_of_range():
    world = World(1)
    real, ground = Aboard(world), ears(world)
    now = last(ground, real) + 60
    outcomes = crowd(ground, world, now)
    assert outcomes == [None] * 2 * (SESSIONS_MAX - 1) + [DropReason.TOO_MANY_SESSIONS, DropReason.UNKNOWN_SESSION]
    crowd(ground, world, now + 60, first=200)
    assert hear(ground, real.beat(), now=now + 60) == [None]
    assert ground.leases


def test_what_was_open_for_a_moment_keeps_its_place_for_a_while():
    world = World(1)
    real, ground = Aboard(world), ears(world)
    parts = real.announce(real.announced())
    hear(ground, real.statement(), real.beat(), *parts)
    crowd(ground, world, SUPERSEDED_AFTER_S)
    assert real.session_id[:8] in ground.sessions


def test_an_aircraft_that_starts_over_and_over_is_opened_again():
    """Its power fails in the air: each of its starts is open for a second, and none lasts."""
    world = World(1)
    ground, now = ears(world), 0.0
    for boot in range(1, 3 * SESSIONS_MAX):
        real = Aboard(world, boot=boot)
        parts = real.announce(real.announced())
        assert hear(ground, real.statement(), real.beat(), *parts, now=now) == [None] * (2 + len(parts))
        now += 2.0
    assert len(ground.sessions) == SESSIONS_MAX


# --- the start that the operator has named ---


def test_the_start_that_the_operator_names_is_taken_and_then_remembered():
    world = World(1)
    named, other = Aboard(world, boot=3), Aboard(world, boot=4)
    ground = ears(world, boot=41, named=Start(device_of(world), 3))
    assert hear(ground, other.statement()) == [OLDER]
    last(ground, named)
    assert ground.take_heard() == [heard(named, named=True)]
    next_start = Aboard(world, boot=4)
    assert hear(ground, next_start.statement(), next_start.beat(), now=20.0) == [None, None]


def test_the_start_that_the_operator_names_is_that_of_one_device():
    world = World(1)
    assert hear(ears(world, boot=41, named=Start(b"another", 3)), Aboard(world, boot=3).statement()) == [OLDER]


def test_the_start_that_the_operator_names_is_not_dropped_for_silence():
    world = World(1)
    named, later = Aboard(world, boot=3), Aboard(world, boot=4)
    ground = ears(world, named=Start(device_of(world), 3))
    now = last(ground, named)
    now = last(ground, later, now)
    ground.tick(now + 10 * SUPERSEDED_AFTER_S)
    assert {session.boot_counter for session in ground.sessions.values()} == {3, 4}


def test_a_later_start_that_is_kept_up_does_not_undo_what_the_operator_named():
    world = World(1)
    named, thief = Aboard(world, boot=3), Aboard(world, boot=900)
    ground = ears(world, boot=41, named=Start(device_of(world), 3))
    now = last(ground, thief)
    now = last(ground, named, now)
    ground.take_heard()
    assert hear(ground, named.beat(), thief.beat(), now=now + STORE_EVERY_S) == [None, None]
    assert ground.take_heard() == [heard(named, named=True)]


def displaced(world: World, *thieves: Aboard) -> tuple[Aboard, Listener, float]:
    """The start that the operator has named has lasted, and then others beside it, which fall silent at the end."""
    named = Aboard(world, boot=3)
    ground = ears(world, boot=41, named=Start(device_of(world), 3))
    now = last(ground, named)
    for thief in thieves:
        parts = thief.announce(thief.announced())
        hear(ground, thief.statement(), thief.beat(), *parts, now=now)
        for _ in range(round(LASTED_S)):
            now += 1
            hear(ground, named.beat(), thief.beat(), now=now)
        assert ground.sessions[thief.session_id[:8]].lasted
    return named, ground, now


@pytest.mark.parametrize("ends", [False, True])
def test_a_later_start_that_the_named_one_displaced_counts_no_more_once_it_is_silent(ends: bool):
    world = World(1)
    thief, following = Aboard(world, boot=900), Aboard(world, boot=4)
    named, ground, now = displaced(world, thief)
    if ends:
        hear(ground, named.beat(flags=int(Flag.SESSION_CLOSED)), now=now)
    assert hear(ground, following.statement(), now=now + SUPERSEDED_AFTER_S) == [OLDER]
    assert hear(ground, following.statement(), now=now + SUPERSEDED_AFTER_S + 0.1) == [None]
    now = last(ground, following, now + SUPERSEDED_AFTER_S + 0.1)
    ground.tick(now + 60)  # it is out of range, and the other one did not come back
    assert following.session_id[:8] in ground.sessions
    assert hear(ground, Aboard(world, boot=5).statement(), now=now + 60) == [None]


def test_later_starts_that_the_named_one_displaced_do_not_fill_the_places():
    world = World(1)
    _, ground, now = displaced(world, *(Aboard(world, boot=boot) for boot in range(900, 900 + SESSIONS_MAX - 1)))
    assert len(ground.sessions) == SESSIONS_MAX
    assert hear(ground, Aboard(world, boot=4).statement(), now=now + SUPERSEDED_AFTER_S + 0.1) == [None]


# --- who takes whose place ---


def two_starts(world: World) -> tuple[Aboard, Aboard, Listener, float]:
    """The second one has lasted; the first was heard for the last time before it began."""
    first, second, ground = Aboard(world, boot=1), Aboard(world, boot=2), ears(world)
    hear(ground, first.statement(), first.beat())
    return first, second, ground, last(ground, second, 1.0)


def test_an_aircraft_that_started_again_takes_the_place_of_its_last_start():
    first, second, ground, _ = two_starts(World(1))
    assert len(ground.sessions) == 2
    hear(ground, second.beat(), now=SUPERSEDED_AFTER_S)
    assert len(ground.sessions) == 2
    ground.tick(SUPERSEDED_AFTER_S + 0.1)
    assert the_session(ground).session_id == second.session_id
    assert hear(ground, first.beat(), now=SUPERSEDED_AFTER_S + 0.2) == [DropReason.UNKNOWN_SESSION]
    assert hear(ground, first.statement(), now=SUPERSEDED_AFTER_S + 0.2) == [OLDER]


def test_a_start_that_said_its_end_goes_at_once():
    first, second, ground, now = two_starts(World(1))
    hear(ground, first.beat(flags=int(Flag.SESSION_CLOSED)), second.beat(), now=now)
    assert the_session(ground).session_id == second.session_id


def test_a_start_that_said_its_end_goes_with_the_first_beat_of_the_next():
    world = World(1)
    first, second, ground = Aboard(world, boot=1), Aboard(world, boot=2), ears(world)
    hear(ground, first.statement(), first.beat(), first.beat(flags=int(Flag.SESSION_CLOSED)), now=0.0)
    hear(ground, second.statement(), now=60.0)
    assert len(ground.sessions) == 2
    hear(ground, second.beat(), now=60.0)
    assert the_session(ground).session_id == second.session_id


def test_two_aircraft_are_said_only_when_the_older_one_beats_on():
    world = World(1)
    first, second, ground = Aboard(world, boot=1), Aboard(world, boot=2), ears(world)
    hear(ground, first.statement(), first.beat())
    hear(ground, second.statement(), second.beat(), now=5.0)
    assert not ground.two_aircraft(5.0)
    hear(ground, first.beat(), second.beat(), now=5.5)  # still on its way when the second began
    assert not ground.two_aircraft(5.5)
    hear(ground, first.beat(), second.beat(), now=7.0)
    assert ground.two_aircraft(7.0)
    assert not ground.two_aircraft(20.0)


def test_a_start_that_was_only_stated_may_not_begin_while_a_later_one_is_heard():
    world = World()
    ground, stated, later = ears(world), Aboard(world, boot=1), Aboard(world, boot=2)
    assert hear(ground, stated.statement(), later.statement(), later.beat()) == [None] * 3
    assert hear(ground, stated.beat()) == [OLDER]
