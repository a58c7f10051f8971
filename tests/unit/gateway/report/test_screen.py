from __future__ import annotations

import pytest

from gateway.core.refusal import Refusal
from gateway.core.session_state import SessionState
from gateway.endpoint_state import State
from gateway.report.role_status import AlarmStatus, SourceStatus, StationCommands, Status, Use
from gateway.report.screen import COLUMNS, COLUMNS_MIN, ROWS, Kind, Row, _wrapped, brief, columns_of, lines
from tests.unit.gateway.report.statuses import LOST, SILENT, air, aircraft, end, ground, session

STATIONS = {f"station-{number}": ["telemetry", "video"] for number in range(15)}
EIGHT = [session(device=f"drone-{number}", session=f"{number}" * 32) for number in range(8)]
LONG = "a sentence of an alarm that has more words than one line holds, and says what to do about it " * 3
JARGON = ("unknown_kid", "evidence", "late 2", "boot", "epoch", "aaaaaaaa")


def shown(status: Status, **size) -> str:
    return "\n".join(line.text for line in lines(status, **size))


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (air(), "air drone-7: sealed"),
        (air(sealed=False), "air drone-7: no link: nothing is sent"),
        (air(), "  wrong      nothing"),
        (air(unsaved="the card is full"), "  wrong      the card is full: make room there"),
        (air(), "  operation  Night Watch, order 7"),
        (air(), "  order ends in 2 hours, 2027-01-15 08:00 UTC"),
        (air(order_left_s=None), "  order ends 2027-01-15 08:00 UTC; the clock of this computer is not believed"),
        (air(order_left_s=0.0), "  order ends ENDED, 2027-01-15 08:00 UTC"),
        (air(), "  sealed for pilot (telemetry, video, command), observer (telemetry, video)"),
        (air(roles={}), "  sealed for no station"),
        (air(), "  telemetry  last frame now, from the-fc"),
        (air(aircraft=aircraft(fc=SourceStatus(8.4))), "  telemetry  last frame 8 seconds ago, from the-fc"),
        (air(aircraft=aircraft(fc=SourceStatus(None))), "  telemetry  no frame yet, from the-fc"),
        (
            air(endpoints=[end(Use.FC, **LOST), end(Use.LINK)]),
            "  telemetry  last frame now, from the-fc: it is gone: was it unplugged?",
        ),
        (air(), "  video      last picture: A now"),
        (
            air(aircraft=aircraft(cameras={"A": SourceStatus(75.0), "B": SourceStatus(None)})),
            "  video      last picture: A 1 minute 15 seconds ago, B none yet",
        ),
        (air(aircraft=aircraft(cameras={})), "  video      no picture yet"),
        (
            air(endpoints=[end(Use.FC), end(Use.LINK, tx_per_s=9.0, tx_kbit=1812.0, **SILENT)]),
            "  link       the-link up, nothing comes in, out 1.8 Mbit/s",
        ),
        (air(endpoints=[end(Use.FC), end(Use.LINK, **LOST)]), "  link       the-link down: it is gone: was it unplugged?"),
        (air(commands={}), "  commands   none came"),
        (air(commands={"pilot": StationCommands(3, 1)}), "  commands   pilot 3 passed on and 1 kept back"),
        (air(alarms=["an alarm", "another"]), "  alarm      an alarm\n             another"),
        (ground(), "ground pilot: open"),
        (ground(sealed=False), "ground pilot: nothing to open"),
        (
            ground(),
            "  aircraft   drone-7: open; commands go up; aboard: flight controller now,\n             camera A now",
        ),
        (ground(sessions=[]), "  aircraft   none is heard"),
        (
            ground(sessions=[session(proved=False, pending=True, refusal=Refusal.PENDING, aircraft=None)]),
            "  aircraft   drone-7: open, order pending, unproved; no commands: it flies under\n"
            "             an order that has not come yet\n  telemetry",
        ),
        (
            ground(sessions=[session(SessionState.DELAYED)]),
            "  aircraft   drone-7: delayed: its beats come too late to open anything\n",
        ),
        (
            ground(sessions=[session(SessionState.SILENT, refusal=Refusal.ENDED)]),
            "  aircraft   drone-7: silent\n  telemetry",
        ),
        (ground(), "  telemetry  last frame now"),
        (
            ground(opened_age_s={"observer_telemetry": 4.0}),
            "  telemetry  last frame 4 seconds ago\n",
        ),
        (ground(opened_age_s={"video_a": 0.5, "video_b": 9.0}), "  video      last picture: A now, B 9 seconds ago"),
        (
            ground(endpoints=[end(Use.LINK, loss_percent=12.5, rx_kbit=812.4, tx_per_s=1.0, tx_kbit=4.0)]),
            "  link       the-link up, 12 % lost, in 812 kbit/s, out 4 kbit/s",
        ),
        (
            ground(endpoints=[end(Use.LINK, loss_percent=0.0, state=State.IDLE, rx_kbit=4.0)]),
            "  link       the-link waiting, in 4 kbit/s, nothing goes out",
        ),
        (
            ground(endpoints=[end(Use.LINK, loss_percent=0.0, **SILENT)]),
            "  link       the-link up, nothing comes in, nothing goes out",
        ),
        (ground(memory_locked=False), "  memory     not locked, so keys may reach swap"),
        (ground(commands={}), "  commands   none sent"),
        (ground(commands={"sent": 3, "observer": 2, "late": 1}), "  commands   3 sent, 3 refused"),
        (
            ground(endpoints=[end(Use.LINK), end(Use.GCS, state=State.IDLE), end(Use.PLAYER)]),
            "  programs   GCS the-gcs waiting, player the-player up",
        ),
    ],
)
def test_what_a_person_sees_at_a_glance(status, line):
    assert f"\n{line}" in f"\n{shown(status)}"


@pytest.mark.parametrize("status", [air(drops={"late": 2}), ground(drops={"unknown_kid": 43}, opened={"evidence": 171})])
def test_no_name_of_a_counter_is_shown(status):
    assert not [word for word in JARGON if word in shown(status)]


CROWDED = [
    ground(sessions=EIGHT, roles=STATIONS, alarms=[LONG] * 9, order_left_s=540.0),
    air(roles=STATIONS, alarms=[LONG] * 9, unsaved=LONG, commands={name: StationCommands(1, 1) for name in STATIONS}),
    ground(sessions=[session(device="日本" * 99)], name="日本" * 99, operation="日" * 99, roles={"日本" * 99: ["video"]}),
    ground(alarms=["x" * 3000], endpoints=[end(Use.LINK, endpoint=f"udpin:[::]:{n}", loss_percent=0.0) for n in range(40)]),
]


@pytest.mark.parametrize("columns", [1, COLUMNS_MIN, 57, COLUMNS, 200])
@pytest.mark.parametrize("status", [air(), ground(), *CROWDED], ids=range(2 + len(CROWDED)))
def test_no_line_is_wider_than_the_terminal(status, columns):
    assert max(columns_of(line.text) for line in lines(status, columns)) <= max(columns, COLUMNS_MIN)


@pytest.mark.parametrize("status", CROWDED, ids=range(len(CROWDED)))
def test_one_role_fits_a_terminal_and_what_is_wrong_is_whole(status):
    assert len(lines(status)) <= ROWS
    wrong = [line.text for line in lines(status, rows=None) if line.kind is Kind.FAULT]
    assert [line.text for line in lines(status) if line.kind is Kind.FAULT] == wrong


def test_what_is_left_out_is_counted_and_verbose_has_it():
    text = shown(ground(sessions=EIGHT, roles=STATIONS, alarms=[LONG] * 9))
    assert sum(text.count(f"drone-{number}: open; commands go up") for number in range(8)) >= 6
    assert text.count("more: zegel status -v") >= 2
    named = sum(f"station-{number} " in text for number in range(15))
    assert f"and {15 - named} more: zegel status -v" in text
    whole = shown(ground(sessions=EIGHT, roles=STATIONS, alarms=[LONG] * 9), rows=None)
    assert "zegel status -v" not in whole
    assert all(f"station-{number} " in whole.replace("\n" + 13 * " ", " ") for number in range(15))
    assert all(f"drone-{number}: " in whole for number in range(8))


def test_a_terminal_of_few_rows_keeps_a_line_of_each():
    text = shown(ground(sessions=EIGHT, roles=STATIONS), rows=5).splitlines()
    assert [line[2:13].strip() for line in text[1:]][:5] == ["wrong", "operation", "order ends", "sealed for", "aircraft"]
    assert "  aircraft   8: zegel status -v" in text


def test_of_an_aircraft_that_restarted_the_open_session_is_shown_or_the_last():
    old, new = session(SessionState.CLOSED, boot_counter=5), session(SessionState.BEATING, boot_counter=6)
    text = shown(ground(sessions=[new, old]))
    assert text.count("drone-7") == 1
    assert "waiting for our keys" in text
    assert ": open;" in shown(ground(sessions=[session(boot_counter=5), new]))


def test_an_alarm_that_is_what_is_wrong_is_not_shown_twice():
    text = "no picture for 8 s"
    wrong = ground(alarms=[text, "another"], alarm_reasons={"no_picture": AlarmStatus(1, 1, text)})
    assert shown(wrong).count(text) == 1
    assert "  alarm      another" in shown(wrong)


def test_a_ground_that_feeds_no_program_has_no_line_for_them():
    assert "programs" not in shown(ground(endpoints=[end(Use.LINK)]))


def test_names_from_outside_do_nothing_to_the_terminal():
    bad = "\x1b[2J\nair: forged\u202e"
    status = ground(
        name=bad,
        operation=bad,
        roles={bad: [bad]},
        alarms=[bad],
        sessions=[session(device=bad)],
        endpoints=[end(Use.LINK, endpoint=bad)],
    )
    assert all(line.text.isprintable() for line in lines(status, more=[Row("x", [bad])]))
    assert all(line.text.isprintable() for line in brief(status))


def test_the_brief_form_is_the_head_and_what_is_wrong():
    assert [line.text for line in brief(air())] == ["air drone-7: sealed", "  wrong      nothing"]


def test_a_text_is_wrapped_at_spaces_where_that_is_possible():
    assert _wrapped("one two three", 7) == ["one two", "three"]
    assert _wrapped("a sentence", 4) == ["a", "sent", "ence"]
    assert _wrapped("日本語 x", 5) == ["日本", "語 x"]
    assert _wrapped("", 5) == [""]
    assert columns_of("e\u0301日") == 3
