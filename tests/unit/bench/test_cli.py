"""`zegel bench`: every sub-command has a summary, and JSON on standard output is JSON alone."""

from __future__ import annotations

import msgspec
import pytest

from bench.cli import COMMANDS
from bench.measures import batching, cipher
from bench.record import Record
from bench.show import sentence, summary
from bench.suite import ALL
from gateway import cli

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
