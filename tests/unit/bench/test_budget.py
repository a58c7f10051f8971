from __future__ import annotations

import pytest

from bench import budget
from bench.budget import Figure
from bench.emulation import MODELS, PI_5
from bench.measures import pi

PROMISE = ("board", "seal")


def broken(figure: int, allowed: int | None, outside: int = 100) -> list[str]:
    committed = {"board": {"seal": Figure(allowed, 100)}} if allowed else {}
    return list(budget.broken({"board": {"seal": Figure(figure, outside)}}, committed, PROMISE))


@pytest.mark.parametrize("figure", [1, 10_000, 10_500])
def test_within(figure):
    assert not broken(figure, 10_000)


def test_a_figure_that_grew_by_more_than_a_twentieth():
    assert broken(10_501, 10_000) == ["seal, board: 10,501 instructions are 5.0 % more than the budget of 10,000"]


def test_a_copy_that_is_little_compared_with_the_cipher_shows_outside_of_it():
    assert not broken(10_010, 10_000, outside=105)
    said = "seal, board: 110 instructions outside the AEAD are 10.0 % more than the budget of 100"
    assert broken(10_010, 10_000, outside=110) == [said]


@pytest.mark.parametrize(("figure", "over"), [(8_550, 0), (8_551, 2)])
def test_the_difference_of_two_counts_varies_as_the_larger_one_does(figure, over):
    def counted(lone: int) -> dict[str, dict[str, Figure]]:
        return {"board": {"seal": Figure(1, 1), "wake-up 0 C": Figure(120_000, 0), "wake-up 1 C": Figure(lone, lone)}}

    assert len(list(budget.broken(counted(figure), counted(7_000), PROMISE))) == over


def test_a_figure_without_a_budget():
    (problem,) = broken(1, None)
    assert budget.WRITE in problem


def test_the_promise_holds_whatever_the_budget():
    (problem,) = broken(budget.SEALED_AT_MOST + 1, budget.SEALED_AT_MOST + 1)
    assert "promises" in problem


def test_written_and_loaded(tmp_path):
    figures = {"board": {"seal": Figure(18_394, 9_000), "open": Figure(26_995, 12_000)}}
    assert budget.load(tmp_path / "none") == {}
    budget.write(figures, tmp_path / "budget.json")
    assert budget.load(tmp_path / "budget.json") == figures


def test_what_is_committed_holds_every_figure_and_the_promise():
    committed = budget.load()
    assert {model: set(regions) for model, regions in committed.items()} == {model.name: set(pi.PER) for model in MODELS}
    assert not list(budget.broken(committed, committed, (PI_5.name, "seal")))
