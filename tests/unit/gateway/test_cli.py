from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from gateway import cli
from gateway.cli import GROUP

COMMANDS = sorted(command.name for command in entry_points(group=GROUP))
README = (Path(__file__).parents[3] / "README.md").read_text()


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


def test_the_commands_in_the_readme_are_commands_that_parse():
    """Every `zegel ...` of README's code blocks goes through the real parser; nothing is run."""
    blocks = "\n".join(re.findall(r"```\n(.*?)```", README, re.S)).replace("\\\n", " ")
    commands = [line.split("#")[0].strip() for line in blocks.splitlines() if line.startswith("zegel ")]
    assert len(commands) >= 10
    known = {command.name: command for command in entry_points(group=GROUP)}
    for line in commands:
        words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', line)][1:]
        assert callable(cli._parser(known, words).parse_args(words).run), line
