from __future__ import annotations

import pytest

from gateway.demo.tape import PAUSE_S, Tape

TIMES, LENGTH = (0.0, 0.0, 0.1, 0.25), 0.3


def played(tape: Tape, moments: list[float]) -> list[int]:
    return [number for now in moments for number in tape.due(now)]


def test_items_come_when_they_are_due():
    tape = Tape(TIMES, LENGTH)
    assert [list(tape.due(5.0 + t)) for t in (0.0, 0.09, 0.11, 0.24, 0.26)] == [[0, 1], [], [2], [], [3]]


def test_it_starts_again_and_counts_on():
    tape = Tape(TIMES, LENGTH)
    assert played(tape, [n * 0.05 for n in range(24)]) == list(range(16))


def test_a_pause_is_not_played():
    tape = Tape(TIMES, LENGTH)
    assert played(tape, [0.0, 0.05]) == [0, 1]
    assert played(tape, [100.0, 100.04]) == []
    assert played(tape, [100.06]) == [2]


@pytest.mark.parametrize("step", [0.001, 0.03, PAUSE_S - 0.01])
def test_how_often_it_is_asked_makes_no_difference(step):
    asked = [n * step for n in range(int(3 / step))]
    expected = [n for n in range(1000) if n // 4 * LENGTH + TIMES[n % 4] <= asked[-1]]
    assert played(Tape(TIMES, LENGTH), asked) == expected
