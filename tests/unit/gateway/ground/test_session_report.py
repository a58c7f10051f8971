from __future__ import annotations

import dataclasses

import pytest

from gateway.core.ground.session import ALIVE_FOR_S, LATE_S, Session
from gateway.ground.session_report import UNPROVED, report, state
from keys.announcement import Grant
from keys.beat import Beat, Flag
from keys.lanes import Lane, downlink_kid
from keys.statement import Statement

STATED = Statement(bytes(32), 0, bytes(32), 5, 0)
KID = downlink_kid(Lane.VIDEO_A, STATED.session_id(), 0)
US = 1


def beat(seq: int = 1, sent: float = 0.0, flags: int = 0, stations: tuple[int, ...] = (US,)) -> Beat:
    listed = {index: [bytes(16)] for index in stations}
    return Beat(STATED.session_id(), seq, bytes(8), 0, {KID: 0}, 0, {}, listed, 0, flags, int(sent * 1000), {})


def heard(*beats: Beat, granted: bool = True) -> Session:
    session = Session(STATED, b"device", object())  # type: ignore[arg-type]
    for one in beats:
        session.hear(one, b"", one.session_ms / 1000)
    if granted:
        session.install(0, Grant({KID: bytes(32)}, bytes(32)))
    return session


@pytest.mark.parametrize(
    ("session", "now", "said"),
    [
        (Session(STATED, b"device"), 0.0, "heard, waiting for its beat"),
        (heard(beat(), granted=False), 0.0, "beat verified, waiting for our keys"),
        (heard(beat(stations=(2,)), granted=False), 0.0, "closed to us: it flies under an order that does not list"),
        (heard(beat()), 0.0, "open"),
        (heard(beat(flags=Flag.ORDER_EXPIRED)), 0.0, "open, order expired"),
        (heard(beat()), ALIVE_FOR_S, "silent"),
        (heard(beat(flags=Flag.SESSION_CLOSED)), 0.0, "ended by the aircraft"),
    ],
)
def test_what_a_person_is_told_of_a_session(session: Session, now: float, said: str):
    assert state(session, US, now).startswith(said)


def test_a_session_without_an_answer_is_unproved():
    session = heard(beat())
    told = report(session, "commands go up", US, 0.0)
    assert (told["state"], told["proved"], told["commands"]) == (f"open, {UNPROVED}", False, "commands go up")
    session.proved = True
    told = report(session, "commands go up", US, 0.0)
    assert (told["state"], told["proved"]) == ("open", True)


@pytest.mark.parametrize(("claim", "agrees"), [(0, None), (1_000_030, True), (999_970, True), (1_000_031, False)])
def test_what_an_aircraft_claims_of_the_time_is_shown_and_no_more(monkeypatch, claim: int, agrees: bool | None):
    monkeypatch.setattr("time.time", lambda: 1_000_000)
    session = heard(dataclasses.replace(beat(), unix_time=claim))
    told = report(session, "", US, 0.0)
    assert told["clock_agrees"] is agrees
    assert told["state"] == f"open, {UNPROVED}"
    assert [lease.lane for lease in session.leases(0.0)] == [Lane.VIDEO_A]


def test_a_link_that_became_slow_is_named_with_its_delay():
    session, late = heard(beat()), 4.0 + LATE_S
    assert session.is_late(beat(2, sent=2.0), 2.0 + late)
    assert state(session, US, 2.0 + late) == "delayed: its beats come too late to open anything"
    told = report(session, "", US, 2.0 + late)
    assert told["state"] == "delayed: its beats come too late to open anything, by 6.0 s"
    assert told["late_s"] == pytest.approx(6.0, abs=0.02)
    assert state(session, US, 2.1 + late + ALIVE_FOR_S) == "silent"
