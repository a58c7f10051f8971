"""`zegel bench`: every sub-command has a summary, and JSON on standard output is JSON alone."""

from __future__ import annotations

import types

import msgspec
import pytest

import bench.cli
from bench import verdict
from bench.cli import COMMANDS
from bench.measures import batching, cipher
from bench.record import Record
from bench.result import Result
from bench.show import sentence, summary
from bench.suite import ALL
from gateway import cli
from gateway.errors import ConfigError
from tests.unit.bench.results import FACTS

TINY = {
    cipher: cipher.Plan((64,), 1, 0, 0.001),
    batching: batching.Plan((64,), (1,), (60,), (0.0,), (8,), 64, 1),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_in_a_line_what_it_does(name, capsys):
    assert len(summary(COMMANDS[name])) > 20
    assert sentence(COMMANDS[name]).endswith(".")
    with pytest.raises(SystemExit) as left:
        cli.main(["bench", name, "--help"])
    assert left.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert summary(COMMANDS[name]) in shown


def test_what_writes_a_file_is_not_run_with_the_rest():
    assert set(ALL) <= set(COMMANDS)
    assert not {"report", "tune"} & set(ALL)


@pytest.mark.parametrize("module", TINY, ids=lambda module: module.__name__)
def test_json_is_a_record_of_this_machine(module, monkeypatch, capsysbinary):
    monkeypatch.setattr(module, "QUICK", TINY[module])
    name = module.__name__.rpartition(".")[2]
    assert cli.main(["bench", name, "--quick", "--json"]) == 0
    record = msgspec.json.decode(capsysbinary.readouterr().out, type=Record)
    assert record.quick
    assert "Python" in record.machine
    assert [result.command for result in record.results] == [name]


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch):
    """Measurements of which the second one fails if told so."""
    results = {name: Result(name, (), verdict=f"of {name}", facts=FACTS) for name in ("one", "two")}

    def measured(name):
        def measure(_options, progress):
            progress(1, 4, "a step")
            if isinstance(results[name], Exception):
                raise results[name]
            return results[name]

        return types.SimpleNamespace(measure=measure, __doc__=f"{name}: measures {name}.")

    kinds = {name: measured(name) for name in results}
    monkeypatch.setattr(bench.cli.suite, "ALL", kinds)
    monkeypatch.setattr(bench.cli, "COMMANDS", {**COMMANDS, **kinds})
    return results


def test_the_verdict_about_all_is_first_and_a_quick_run_says_so_at_both_ends(two, capsys):
    assert cli.main(["bench", "--quick"]) == 0
    told = capsys.readouterr()
    lines = " ".join(told.out.split())
    assert lines.startswith(f"{verdict.QUICK} this board carries 20 Mbit/s")
    assert lines.endswith(f"of two {verdict.QUICK}")
    assert lines.index("this board carries") < lines.index("Python: ") < lines.index("of one") < lines.index("of two")
    assert "one, 0 s: a step, 25 % of this part\n" in told.err, "without a terminal there are lines"


def test_a_thorough_run_begins_with_the_verdict(two, capsys):
    assert cli.main(["bench"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("this board carries")
    assert "quick" not in out


def test_what_was_measured_before_an_error_is_shown(two, capsys):
    two["two"] = ConfigError("it broke")
    assert cli.main(["bench"]) == 2
    told = capsys.readouterr()
    assert "of one" in told.out
    assert "it broke" in told.err
