"""Nothing of the past passes for live: seeded schedules over an attacker who records, repeats, withholds, delays and
reorders beats, datagrams and challenges at will, while the station stands still now and then. SPEC.md section 5.7. Time is
the schedule's.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import pytest

from gateway.batch import Batch
from gateway.core.air.announcer import BEAT_EVERY_S
from gateway.core.ground.lateness import DRIFT, Lateness
from gateway.core.ground.session import LATE_NARROW_S, LATE_S, LEASE_NARROW_S, LEASE_S, Session
from gateway.core.wire import FIRST_CONTROL
from keys.beat import Beat
from keys.lanes import Lane
from keys.policy import Policy
from tests.memory_link import PILOT, Aircraft, Station, World, batches

SEEDS = 40  # schedules of each kind here; `make soak` runs thousands
WIDE, NARROW = 8_000_000, 57_600
STEP_S = 0.1
TAPE = 4_000  # datagrams
Datagrams: TypeAlias = list[bytes]
Way: TypeAlias = Callable[[float], float | None]


def numbered(number: int) -> bytes:
    """A MAVLink 1 frame that says when it was made."""
    return bytes([0xFE, 4, number & 0xFF, 1, 1, 0]) + number.to_bytes(4, "big") + bytes(2)


def number_of(frame: bytes) -> int:
    return int.from_bytes(frame[6:10], "big")


class Attacker:
    """Between an aircraft and a station. Every few seconds it is decided how control and telemetry pass; all is on tape."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self._tape: deque[tuple[float, bytes]] = deque(maxlen=TAPE)  # (sent, telemetry)
        self._said: deque[tuple[float, bytes]] = deque(maxlen=TAPE)  # (sent, control, also if it is sealed in a lane)
        self._due: list[tuple[float, bytes]] = []
        self._ways: dict[bool, Way] = {}
        self._until, self._plays, self._plays_control = 0.0, 0.0, False

    def air(self, sent: Datagrams, now: float) -> Datagrams:
        """What comes to the station in this step."""
        if now >= self._until:
            self._until = now + self.rng.choice((0.3, 1.0, 2.5, 3.5, 8.0, 20.0))
            self._plays, self._plays_control = self.rng.choice((0.02, 0.02, 0.7)), self.rng.random() < 0.3
            self._ways = {is_control: self._way(is_control) for is_control in (False, True)}
        for datagram in sent:
            is_control = datagram[0] == FIRST_CONTROL or datagram[1] == Lane.EVIDENCE
            (self._said if is_control else self._tape).append((now, datagram))
            held = self._ways[is_control](now)
            if held is not None:
                self._due.append((now + held, datagram))
        out = [datagram for at, datagram in self._due if at <= now]
        self._due = [(at, datagram) for at, datagram in self._due if at > now]
        out += self._played(now)
        if self.rng.random() < 0.3:
            self.rng.shuffle(out)
        return out

    def greet(self, now: float) -> Datagrams:
        """A station begins to listen: it hears the past first, with all that it takes to open it."""
        if self.rng.random() < 0.5:
            return []
        self._until, self._plays = now + 3.0, 0.7
        begin = now - self.rng.choice((5.0, 12.0, 50.0))
        return [datagram for sent, datagram in self._said if begin <= sent < begin + 2.5]

    def _way(self, is_control: bool) -> Way:
        """For how long each datagram is held back; None for ever. Half of the time what gains most: few beats, late."""
        rng = self.rng
        if rng.random() < 0.5:
            return self._seldom(rng.choice((2.8, 3.1, 4.4, 4.7, 5.8, 8.4))) if is_control else lambda _: None
        delay, more = rng.choice((0.0, 0.5, 1.9, 2.1, 2.9, 3.1, 6.0, 30.0)), rng.choice((0.0, 0.2, 1.0, 3.0))
        ways: tuple[Way, ...] = (
            lambda _: 0.0,
            lambda _: None,
            lambda _: delay + rng.random() * more,
            lambda _: rng.choice((0.0, None, None)),
            lambda _: rng.choice((0.0, delay)),
        )
        return rng.choice(ways)

    def _seldom(self, every_s: float) -> Way:
        """A beat once in a while: one at once, another one nearly too late."""
        delay, begins = 0.0, float("-inf")

        def way(now: float) -> float | None:
            nonlocal delay, begins
            if now >= begins + every_s:
                begins, delay = now, self.rng.choice((0.0, 1.9, 2.9))
            return delay if now < begins + BEAT_EVERY_S else None

        return way

    def _played(self, now: float) -> Datagrams:
        """Some of the tape: telemetry of the last seconds, or of long ago; now and then control, in its order."""
        rng, begin = self.rng, now - self.rng.choice((1.0, 5.0, 8.0, 15.0, 100.0))
        length = rng.choice((1.0, 10.0))
        picked = [d for sent, d in self._tape if begin <= sent < begin + length] if rng.random() < self._plays else []
        if self._plays_control and rng.random() < 0.3:
            picked += [d for sent, d in self._said if begin <= sent < begin + length]
        return picked[-128:]


class Socket:
    """Where a station reads: what comes while it stands still waits. A stamp tells when a datagram came, or nothing does.

    What nothing is told of came at some time since the read before; as an endpoint tells it (gateway.endpoints.age).
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng, self._stamped = rng, rng.choice((0.0, 0.5, 1.0))  # how many of the datagrams
        self._waiting: list[tuple[float, bytes]] = []  # (came, datagram)
        self._read_at, self._stands_until = 0.0, 0.0

    def put(self, datagrams: Datagrams, now: float) -> None:
        self._waiting += [(now, datagram) for datagram in datagrams]

    def stand_still(self, until: float) -> None:
        self._stands_until = until

    def stands(self, now: float) -> bool:
        return now < self._stands_until

    def read(self, now: float) -> Iterator[Batch]:
        waiting, since = self._waiting, self._read_at
        self._waiting, self._read_at = [], now
        for number, batch in enumerate(batches(datagram for _, datagram in waiting)):
            came = waiting[number * batch.capacity :][: batch.count]
            ages = np.array([now - at for at, _ in came])
            stamped = np.array([self._rng.random() < self._stamped for _ in came])
            batch.waited(now - since, np.where(stamped, ages, now - since), np.where(stamped, ages, 0.0))
            yield batch


def past_schedule(seed: int, link_bps: int = WIDE, seconds: float = 40.0) -> tuple[float, int]:
    """(age of the oldest frame that was delivered after a live beat, frames delivered after one)."""
    rng = random.Random(seed)
    world = World(seed, roles=[PILOT], policy=Policy(rekey_s=60, lead_s=2))
    limit = 2 * LATE_S + LEASE_S if link_bps == WIDE else 2 * LATE_NARROW_S + LEASE_NARROW_S
    aircraft, attacker = world.aircraft(link_bps=link_bps, lanes=(Lane.TELEMETRY, Lane.EVIDENCE)), Attacker(rng)
    socket, asked = Socket(rng), Asked(rng)
    pace = 1 + rng.uniform(-200e-6, 200e-6)  # of the clock aboard
    station: Station | None = None
    joins, now = rng.choice((0.0, 12.0, 59.0)), 0.0
    oldest, count, live_at, end = 0.0, 0, now, joins + seconds
    lives = False
    while now < end:
        come = attacker.air(sent_at(aircraft, now * pace, now), now)
        if station is None and now >= joins:
            station, come = world.station(1), attacker.greet(now) + come
        socket.put(come if station else [], now)
        aircraft.receive(asked.come(now), now * pace)
        if station and not socket.stands(now):
            before = len(station.frames)
            for batch in socket.read(now):
                station.read(batch, now)
            station.listener.tick(now)
            asked.put(station.control(now), now)
            ages = [now - number_of(frame) / 1000 for frame in station.frames[before:]] if lives else []
            assert max(ages, default=0.0) <= limit + (now - live_at) * DRIFT + STEP_S / 2, f"{max(ages):.1f} s old"
            oldest, count = max([oldest, *ages]), count + len(ages)
            if hears_now(station, now * pace):
                lives, live_at = True, now
            if rng.random() < 0.005:
                station, lives = again(station), False
                station.receive(attacker.greet(now), now)
            if rng.random() < 0.01:
                socket.stand_still(now + rng.choice((0.3, 1.0, 2.5, 6.0)))
        now += STEP_S if rng.random() < 0.99 else rng.choice((0.5, 3.0, 7.0, 40.0))  # a computer slept
    return oldest, count


class Asked:
    """What the station asks, on its way up: at once, held back for a while, or never."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._due: list[tuple[float, bytes]] = []

    def put(self, datagrams: Datagrams, now: float) -> None:
        for datagram in datagrams:
            self._due.append((now + self._rng.choice((0.0, 0.0, 0.5, 2.0, float("inf"))), datagram))

    def come(self, now: float) -> Datagrams:
        out = [datagram for at, datagram in self._due if at <= now]
        self._due = [(at, datagram) for at, datagram in self._due if now < at < float("inf")]
        return out


def sent_at(aircraft: Aircraft, aboard: float, now: float) -> Datagrams:
    return aircraft.control(aboard) + aircraft.telemetry([numbered(int(now * 1000))], aboard)


def hears_now(station: Station, aboard: float) -> bool:
    """Whether the newest beat that it believed was sent in this step."""
    beats = [session.beat for session in station.listener.sessions.values() if session.beat]
    return any(aboard - beat.session_ms / 1000 < STEP_S / 2 for beat in beats)


def again(station: Station) -> Station:
    """The same station after a restart, with what it was told to store."""
    known = {one.device_public: (one.boot_counter, one.session_id, one.seq) for one in station.listener.take_heard()}
    return station.world.station(1, known)


@pytest.mark.parametrize("link_bps", [WIDE, NARROW])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_nothing_older_than_the_bound_is_delivered_after_one_live_beat(seed: int, link_bps: int):
    past_schedule(seed, link_bps)


def always_zero(lateness: Lateness, beat: Beat, now: float) -> float:
    note(lateness, beat, now)
    return 0.0


def as_if_made_now(lateness: Lateness, beat: Beat, _drawn_at: float, now: float) -> None:
    answered(lateness, beat, now, now)


note, answered = Lateness.note, Lateness.answered
MISSING = {
    "a late beat moves nothing": (Session, "is_late", lambda *_: False),
    "what is old becomes too old": (Session, "settle", lambda *_: None),
    "a lease ends": (Session, "_lease_is_over", lambda session, _: session.beat is None),
    "a beat that comes sooner shows that those before were late": (Lateness, "note", always_zero),
    "an answer is only younger than its challenge": (Lateness, "answered", as_if_made_now),
}


@pytest.mark.parametrize("rule", MISSING)
def test_the_schedules_find_it_if_a_rule_is_missing(rule: str, monkeypatch: pytest.MonkeyPatch):
    kind, name, without = MISSING[rule]
    monkeypatch.setattr(kind, name, without)
    with pytest.raises(AssertionError, match="s old"):
        deque(map(past_schedule, range(5 * SEEDS)), 0)


@pytest.mark.soak
def test_thousands_of_schedules_of_the_past(figure):
    for link_bps, name in ((WIDE, "wide"), (NARROW, "narrow")):
        ages, counts = zip(*(past_schedule(seed, link_bps) for seed in range(1_000, 3_000)), strict=True)
        figure(
            f"the past played, {name} link: 2,000 schedules, {sum(counts):,} frames delivered after a live beat,"
            f" the oldest {max(ages):.1f} s"
        )
