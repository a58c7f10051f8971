from __future__ import annotations

import ast
import string
from pathlib import Path

import pytest

from gateway.report.alarms import ARGUMENT_MAX, EVENT_LASTS_S, LIVE_MAX, Alarms, Reason, kind_of
from gateway.report.role_status import AlarmStatus
from keys.errors import BadSignature, KeysError

GATEWAY = Path(__file__).parents[4] / "gateway"
ESCAPES = "\x1b]0;title\x07\x1b[2J\nair: alarm: forged\u202e\u200b\x9b" * 3000


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def alarms(said) -> Alarms:
    return Alarms(said.append)


def test_a_state_is_said_once_and_once_when_it_is_over(alarms, said):
    for second in range(1000):
        alarms.raise_(Reason.ORDER_OVER, float(second), limit="ended at noon")
        alarms.tick(float(second))
    text = "the order ended at noon; the aircraft may be in flight, so it goes on"
    assert alarms.texts == [text]
    alarms.tick(1e9)
    assert alarms.texts == [text], "it is so until it is said that it is over"
    alarms.clear(Reason.ORDER_OVER)
    alarms.clear(Reason.ORDER_OVER)
    assert alarms.texts == []
    assert said == [f"alarm: {text}", f"over: {text}"]


def test_an_event_leaves_when_it_has_not_happened_again(alarms, said):
    alarms.raise_(Reason.TWO_AIRCRAFT, 0.0)
    alarms.raise_(Reason.TWO_AIRCRAFT, 100.0)
    alarms.tick(100.0 + EVENT_LASTS_S)
    assert len(alarms.texts) == 1
    alarms.tick(100.1 + EVENT_LASTS_S)
    assert alarms.texts == []
    assert [line.partition(":")[0] for line in said] == ["alarm", "over"]


def test_each_key_is_an_alarm_of_its_own_and_reasons_are_counted(alarms):
    for station in (1, 2, 1):
        alarms.raise_(Reason.CARRIED_UNFIT, 0.0, key=station, station=f"station-{station}")
    alarms.clear(Reason.CARRIED_UNFIT, key=1)
    alarms.raise_(Reason.STATE_UNSAVED, 0.0, error="the card is full")
    alarms.clear(Reason.STATE_UNSAVED)
    text = "station 'station-2' sent an order that does not succeed the one in force: refused"
    assert alarms.texts == [text]
    assert alarms.by_reason() == {
        "carried_unfit": AlarmStatus(began=2, live=1, text=text),
        "state_unsaved": AlarmStatus(began=1, live=0, text=""),
    }


def test_what_others_wrote_is_bounded_and_does_nothing_to_a_terminal(alarms, said):
    for reason in Reason:
        names = [field for _, field, _, _ in string.Formatter().parse(reason.value.words) if field]
        alarms.raise_(reason, 0.0, **dict.fromkeys(names, ESCAPES))
    for text in (*alarms.texts, *said):
        assert text.isprintable()
        assert len(text) < 5 * ARGUMENT_MAX + 300


def test_one_reason_crowds_no_other_out_and_says_no_more_than_it_shows(alarms, said):
    for number in range(1000):
        alarms.raise_(Reason.INBOX_REFUSED, float(number), key=number % 100, error=number % 100)
    assert len(alarms.texts) == len(said) == LIVE_MAX
    alarms.raise_(Reason.ORDER_OVER, 1000.0, limit="ended")
    assert len(alarms.texts) == LIVE_MAX
    assert alarms.texts[-1].startswith("the order ended")
    assert alarms.by_reason()["inbox_refused"].live == LIVE_MAX - 1


def test_two_reasons_that_crowd_come_to_rest(alarms, said):
    for number in range(1000):
        for reason in (Reason.INBOX_REFUSED, Reason.STATE_UNSAVED):
            alarms.raise_(reason, float(number), key=number % 100, error=number % 100)
    assert len(alarms.texts) == LIVE_MAX
    assert len(said) <= 2 * LIVE_MAX


def test_a_forgotten_argument_costs_a_word(alarms):
    alarms.raise_(Reason.CARRIED_UNFIT, 0.0)
    assert alarms.texts == ["station '?' sent an order that does not succeed the one in force: refused"]


def test_an_error_is_named_without_its_words():
    assert kind_of(BadSignature("\x1b[2J")) == "bad signature"
    assert kind_of(KeysError("anything")) == "keys error"


def test_every_alarm_that_is_raised_has_the_arguments_of_its_words():
    seen = set()
    for path in GATEWAY.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "raise_":
                reason = Reason[node.args[0].attr]
                words = {field for _, field, _, _ in string.Formatter().parse(reason.value.words) if field}
                assert {keyword.arg for keyword in node.keywords} - {"key"} == words, f"{path}:{node.lineno}"
                seen.add(reason)
    assert seen == set(Reason), "a reason that nothing raises"
