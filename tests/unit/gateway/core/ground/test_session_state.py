"""The states of a session at a ground, walked at random: what follows on what is what SPEC.md section 7 draws."""

from __future__ import annotations

import random

import pytest

from gateway.core.ground.session import ALIVE_FOR_S, LATE_S, Session
from gateway.core.session_state import FOLLOWING, SessionState
from keys.announcement import Grant
from keys.beat import Beat
from keys.beat_flag import Flag
from keys.lanes import Lane, downlink_kid
from keys.statement import Statement

STATED = Statement(bytes(32), 0, bytes(32), 5, 0)
US, OTHER = 1, 2
WAITS_S = (0.25, 1.0, 2.0)
WALKS, STEPS = 400, 60


class Aircraft:
    """Its session, as a station that hears it now and then has it; `sent` is the time aboard."""

    def __init__(self) -> None:
        self.session, self.now, self.seq, self.epoch = Session(STATED, b"device"), 0.0, 0, 0

    def beats(self, flags: int = 0, stations: tuple[int, ...] = (US,), late_s: float = 0.0) -> None:
        """What the listener does with a beat that verified."""
        self.seq += 1
        kid, listed = (
            downlink_kid(Lane.VIDEO_A, STATED.session_id(), self.epoch),
            {index: [bytes(16)] for index in stations},
        )
        ms = max(0, int((self.now - late_s) * 1000))
        beat = Beat(STATED.session_id(), self.seq, bytes(8), self.epoch, {kid: 0}, 0, {}, listed, 0, flags, ms, {})
        if not self.session.is_late(beat, self.now):
            self.session.hear(beat, b"", self.now)

    def grants(self) -> None:
        if self.session.beat:
            kid = downlink_kid(Lane.VIDEO_A, STATED.session_id(), self.epoch)
            self.session.install(self.session.beat.epoch, Grant({kid: bytes(32)}, bytes(32)))

    def state(self) -> SessionState:
        return self.session.state(US, self.now)


def step(aircraft: Aircraft, rng: random.Random) -> None:
    """One thing that happens."""
    match rng.choices(("waits", "beats", "late", "grants", "rekeys", "others", "ends"), (40, 15, 15, 12, 4, 8, 2))[0]:
        case "waits":
            aircraft.now += rng.choice(WAITS_S)
        case "beats":
            aircraft.beats()
        case "late":
            aircraft.beats(late_s=LATE_S + 3.0)
        case "grants":
            aircraft.grants()
        case "rekeys":
            aircraft.epoch += 1
        case "others":
            aircraft.beats(stations=(OTHER,))
        case "ends":
            aircraft.beats(flags=Flag.SESSION_CLOSED)


def test_a_session_goes_from_state_to_state_as_the_specification_draws():
    rng, seen = random.Random(7), set[tuple[SessionState, SessionState]]()
    for _ in range(WALKS):
        aircraft = Aircraft()
        state = aircraft.state()
        assert state is SessionState.STATED
        for _ in range(STEPS):
            step(aircraft, rng)
            before, state = state, aircraft.state()
            assert before is state or state in FOLLOWING[before], (before, state)
            seen.add((before, state))
    drawn = {(before, after) for before, following in FOLLOWING.items() for after in following}
    assert drawn <= seen, drawn - seen


def test_a_session_that_is_closed_stays_closed():
    aircraft = Aircraft()
    aircraft.beats()
    aircraft.grants()
    assert aircraft.state() is SessionState.OPEN
    aircraft.beats(flags=Flag.SESSION_CLOSED)
    assert aircraft.state() is SessionState.CLOSED
    aircraft.now += 0.5
    aircraft.beats()  # of an aircraft that does not do what it says
    assert aircraft.state() is SessionState.CLOSED
    assert not aircraft.session.alive(aircraft.now)


@pytest.mark.parametrize(("stations", "state"), [((US,), "beating"), ((OTHER,), "unlisted"), ((), "beating")])
def test_a_session_without_keys_is_told_apart_by_the_stations_that_its_beats_list(stations: tuple[int, ...], state: str):
    aircraft = Aircraft()
    aircraft.beats(stations=stations)
    assert aircraft.state() == state
    aircraft.now += ALIVE_FOR_S
    assert aircraft.state() is SessionState.SILENT
