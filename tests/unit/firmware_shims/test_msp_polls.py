from __future__ import annotations

from firmware_shims.msp_polls import AHEAD, ANSWER_WITHIN_S, IN_FLIGHT_MAX, REFUSED_AGAIN_S, STALE_AFTER, Polls


def test_each_command_at_its_own_rate():
    polls, asked = Polls({1: 10, 2: 2}), {1: 0, 2: 0}
    for millisecond in range(10_000):
        now = 1000 + millisecond / 1000
        for command in polls.due(now):
            asked[command] += 1
            polls.answer(command, now, refused=False)
    assert (asked[1], asked[2]) == (100, 20)


def test_what_was_missed_is_not_made_up_for():
    polls = Polls({1: 10})
    assert polls.due(5.0) == [1]
    polls.answer(1, 5.0, refused=False)
    assert polls.due(9.0) == [1]
    polls.answer(1, 9.0, refused=False)
    assert polls.due(9.05) == []


def test_requests_go_ahead_of_the_answers_up_to_a_limit():
    polls = Polls(dict.fromkeys(range(10), 100.0))
    sent = [command for step in range(50) for command in polls.due(step / 1000)]
    assert len(sent) == IN_FLIGHT_MAX
    polls.answer(sent[0], 0.05, refused=False)
    assert len(polls.due(0.06)) == 1
    alone = Polls({7: 100.0})
    assert len([command for step in range(50) for command in alone.due(step / 100)]) == AHEAD


def test_a_lost_answer_holds_up_its_command_for_a_second_and_no_other():
    polls, now = Polls({1: 100, 2: 100}), 0.0
    asked = {1: 0, 2: 0}
    while now < 10 * ANSWER_WITHIN_S:
        for command in polls.due(now):
            asked[command] += 1
            if command == 2:
                polls.answer(command, now, refused=False)
        now += 0.01
    assert asked[2] >= 990
    assert 10 * AHEAD <= asked[1] <= 12 * AHEAD


def test_a_refused_command_is_asked_rarely():
    polls = Polls({1: 50})
    assert polls.due(0.0) == [1]
    polls.answer(1, 0.0, refused=True)
    assert polls.next_due() == REFUSED_AGAIN_S
    assert polls.due(REFUSED_AGAIN_S - 0.01) == []
    assert polls.due(REFUSED_AGAIN_S) == [1]


def test_a_value_is_fresh_for_three_polls():
    polls, now = Polls({1: 1}), 0.0
    assert not polls.fresh(1)
    polls.due(now)
    assert not polls.fresh(1)
    polls.answer(1, now, refused=False)
    fresh = []
    for _ in range(STALE_AFTER + 1):
        fresh.append(polls.fresh(1))
        now += 1 + ANSWER_WITHIN_S
        assert polls.due(now) == [1]
    assert fresh == [True] * (STALE_AFTER + 1)
    assert not polls.fresh(1)


def test_next_due_is_when_due_has_something():
    polls = Polls({1: 10, 2: 3, 3: 50})
    now = 100.0
    for step in range(2000):
        due = polls.next_due()
        assert polls.due(due - 1e-6) == []
        now = max(now, due)
        for command in polls.due(now):
            if step % 5:
                polls.answer(command, now, refused=False)


def test_what_is_not_asked_is_no_answer():
    polls = Polls({1: 1})
    assert not polls.answer(2, 0.0, refused=False)
    assert not polls.fresh(2)
    assert polls.due(0.0) == [1]
    assert polls.answer(1, 0.0, refused=False)
    assert not polls.answer(1, 0.0, refused=False)
    assert polls.due(1.0) == [1]
    assert polls.answer(1, 1.0 + 2 * ANSWER_WITHIN_S, refused=False)


def test_other_rates_go_on_where_the_old_ones_were():
    polls = Polls({1: 1, 2: 1})
    polls.due(0.0)
    polls.answer(1, 0.0, refused=False)
    polls.adopt({1: 10, 3: 1})
    assert polls.fresh(1)
    assert polls.due(0.5) == [3]
    assert polls.due(1.0) == [1, 3]
    assert polls.due(1.11) == [1]


def test_a_full_line_is_due_when_the_first_request_counts_as_lost():
    polls = Polls(dict.fromkeys(range(10), 100.0))
    for step in range(10):
        polls.due(step / 100)
    assert polls.next_due() == ANSWER_WITHIN_S
    assert polls.due(ANSWER_WITHIN_S - 0.001) == []
    assert polls.due(ANSWER_WITHIN_S) != []


def test_commands_whose_times_coincide_are_asked_together():
    """50, 10 and 2 a second: sums of 0.02 and of 0.1 are not the same number, and need no wake-ups of their own."""
    polls, wakes, now = Polls({1: 50, 2: 10, 3: 2}), 0, 1000.0
    while now < 1010.0:
        now = max(now, polls.next_due())
        for command in polls.due(now):
            polls.answer(command, now, refused=False)
        wakes += 1
    assert wakes in range(499, 503)
