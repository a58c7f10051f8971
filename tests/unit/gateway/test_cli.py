from __future__ import annotations

import re
from importlib.metadata import entry_points

import pytest

from gateway import cli
from gateway.cli import GROUP

COMMANDS = sorted(command.name for command in entry_points(group=GROUP))


def shown(capsys, *words: str) -> str:
    with pytest.raises(SystemExit) as left:
        cli.main(list(words))
    assert left.value.code == 0
    return capsys.readouterr().out


def test_help_lists_every_command(capsys):
    text = shown(capsys, "--help")
    expected = "agency air bench demo device doctor egress ground metrics order setup station status"
    assert " ".join(COMMANDS) == expected
    for command in COMMANDS:
        assert re.search(rf"^ +{command} +\w", text, re.M), command


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_shows_an_example(capsys, command):
    assert f"zegel {command}" in shown(capsys, command, "--help").split("example")[-1]


def test_the_version_is_the_packages(capsys):
    assert re.fullmatch(r"zegel \d+\.\d+\.\d+\n", shown(capsys, "--version"))


def test_an_error_is_one_line_and_a_hint(capsys, tmp_path):
    assert cli.main(["order", "show", str(tmp_path / "no.order")]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("zegel: ")
    assert lines[1].startswith("  hint: ")
    assert len(lines) == 2
