from __future__ import annotations

import pytest

from gateway.core.refusal import Refusal
from gateway.core.session_state import SessionState
from gateway.report import advice, metrics, wording
from gateway.report.role_status import Status
from keys.beat_flag import Flag
from tests.unit.gateway.report.causes import AIR, GROUND, built
from tests.unit.gateway.report.statuses import air, feed, ground, session

EXPIRED = int(Flag.ORDER_EXPIRED)


def test_every_state_has_its_sentence():
    assert set(wording.SESSION) == set(SessionState)
    assert set(wording.REFUSAL) == set(Refusal)
    for sentences in (wording.SESSION, wording.REFUSAL):
        assert len(set(sentences.values())) == len(sentences)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (session(), "open; commands go up"),
        (session(proved=False), "open, unproved: no challenge of ours was answered; commands go up"),
        (session(flags=EXPIRED), "open, order expired; commands go up"),
        (session(vendor_has_picture=True), "open, the seal begins at the controller; commands go up"),
        (
            session(pending=True, refusal=Refusal.PENDING),
            "open, order pending; it flies under an order that has not come yet",
        ),
        (
            session(SessionState.BEATING, pending=True, proved=False, flags=EXPIRED, refusal=Refusal.NO_KEYS),
            "beat verified, waiting for our keys, order pending; our keys have not come yet",
        ),
        (
            session(SessionState.DELAYED, late_s=4.25, refusal=Refusal.ENDED),
            "delayed: its beats come too late to open anything, by 4.2 s; the session is over or silent",
        ),
        (
            session(SessionState.SILENT, pending=True, proved=False, refusal=Refusal.ENDED),
            "silent; the session is over or silent",
        ),
    ],
)
def test_what_a_person_is_told_of_a_session(status, said):
    assert wording.session(status) == said


def test_the_log_says_why_commands_do_not_go_up():
    assert wording.commands(None) == "commands go up"
    assert wording.commands(Refusal.OBSERVER) == "no commands: no role command in the order"


STATUSES: list[Status] = [
    *(built("air", cause.differs) for cause in AIR),
    *(built("ground", cause.differs) for cause in GROUND),
    *(ground(sessions=[session(state)]) for state in SessionState),
    *(ground(commands={refusal: 1}, sessions=[session(refusal=refusal)]) for refusal in Refusal),
    air(),
    ground(feed=feed()),
]


def advised(status: Status) -> str:
    """The name of the look that finds something wrong, which is no sentence."""
    looks = advice._AIR if status.role == "air" else advice._GROUND
    return next((look.__name__ for look in looks if look(status)), "")


def test_another_wording_changes_no_gauge_and_no_advice(monkeypatch):
    before = [advised(status) for status in STATUSES], metrics.text(STATUSES)
    assert len(set(before[0])) > 20
    for number, sentences in enumerate((wording.SESSION, wording.REFUSAL)):
        for state in sentences:
            monkeypatch.setitem(sentences, state, f"otra frase {number}")
    for name, value in vars(wording).items():
        if isinstance(value, str) and name.isupper():
            monkeypatch.setattr(wording, name, "otra frase")
    assert wording.session(session()) == "otra frase 0; otra frase"
    assert ([advised(status) for status in STATUSES], metrics.text(STATUSES)) == before
