from __future__ import annotations

import argparse
import types

import pytest

from bench import budget, suite
from bench.emulation import MODELS, Counts
from bench.measures import pi
from bench.result import Options, Result, Table
from bench.sysroot import CannotCount
from gateway.board import computer, health


def options(**asked) -> Options:
    return Options(args=argparse.Namespace(**{"check": False, "write_budget": False, **asked}))


def quiet(done: float, total: float, what: str) -> None: ...


@pytest.fixture
def emulated(monkeypatch, tmp_path):
    """Counts that are told, on no Pi; the budget in a folder of the test's own."""
    counts = Counts(dict.fromkeys(pi.PER, 1000), {region: {"Python": 600, "AEAD": 400} for region in pi.PER})
    monkeypatch.setattr(computer, "model", lambda: "")
    monkeypatch.setattr(pi, "sysroot", lambda: tmp_path)
    monkeypatch.setattr(pi.emulation, "count", lambda *_: counts)
    monkeypatch.setattr(pi.counted_tree, "build", lambda _: None)
    monkeypatch.setattr(budget, "COMMITTED", tmp_path / "budget.json")
    return counts


def test_counted_elsewhere(emulated):
    result = pi.measure(options(), quiet)
    assert [table.title.endswith(model.name) for table, model in zip(result.tables, MODELS, strict=True)]
    assert result.tables[0].rows[1] == ("sealed", 1000, None, None, None, 600, 400)
    assert result.exit_code == 0
    assert "takes 1,000 instructions in Python and 1,000 in C" in result.verdict


def test_without_a_compiler_for_aarch64_only_a_check_fails(emulated, monkeypatch):
    def missing(tree):
        raise CannotCount("there is no C compiler for aarch64", hint="apt-get install it")

    for region in [region for region in emulated.total if region.endswith(" C")]:
        del emulated.total[region]
    monkeypatch.setattr(pi.counted_tree, "build", missing)
    result = pi.measure(options(), quiet)
    assert result.exit_code == 0
    assert any("the turns in C are not counted: there is no C compiler" in note for note in result.notes)
    assert "in C" not in result.verdict
    assert pi.measure(options(check=True), quiet).exit_code == 1


def test_the_budget_that_was_written_is_kept_until_a_figure_grows(emulated):
    assert pi.measure(options(check=True), quiet).exit_code == 1  # there is none yet
    pi.measure(options(write_budget=True), quiet)
    kept = pi.measure(options(check=True), quiet)
    assert kept.exit_code == 0
    assert kept.verdict.endswith("every figure is within its budget")
    emulated.total["seal"] = 1051
    checked = pi.measure(options(check=True), quiet)
    assert checked.exit_code == 1
    assert [note for note in checked.notes if note.startswith("seal")]
    assert checked.verdict.endswith(f"{2 * len(MODELS)} figures are over their budget")  # also without the AEAD
    assert pi.measure(options(), quiet).exit_code == 0  # nobody asked


@pytest.mark.parametrize(("check", "code"), [(False, 0), (True, 1)])
def test_what_cannot_be_counted_is_said_and_fails_only_a_check(emulated, monkeypatch, check, code):
    def missing(root, model, tree):
        raise CannotCount("gcc is not installed", hint="apt-get install gcc")

    monkeypatch.setattr(pi.emulation, "count", missing)
    result = pi.measure(options(check=check), quiet)
    assert (result.tables, result.exit_code) == ((), code)
    assert result.notes == ("instructions are not counted: gcc is not installed (apt-get install gcc)",)


def test_on_a_pi_everything_is_measured_and_the_board_watched(monkeypatch):
    states = iter(({"clock (MHz)": "2400.0"}, {"clock (MHz)": "1500.0"}))
    inner = types.SimpleNamespace(
        measure=lambda *_: Result("inner", (Table("inner", ("n",), ((1,),)),), ("noted",), 3, {"s": (1.0,)})
    )
    monkeypatch.setattr(computer, "model", lambda: "Raspberry Pi 4 Model B Rev 1.4")
    monkeypatch.setattr(health, "state", lambda: next(states))
    monkeypatch.setattr(suite, "ALL", {"inner": inner})
    monkeypatch.setattr(pi.power, "measure", lambda *_: Result("power", (), ("no watts",)))
    result = pi.measure(options(), quiet)
    assert [table.title for table in result.tables] == ["Raspberry Pi 4 Model B Rev 1.4", "inner"]
    assert result.tables[0].rows == (("clock (MHz)", "2400.0", "1500.0"),)
    assert (result.notes, result.exit_code, result.samples) == (("no watts", "noted"), 3, {"s": (1.0,)})
