from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from gateway import cli
from gateway.cli import GROUP
from gateway.report.role_status import encoded
from tests.unit.gateway.report.published import published
from tests.unit.gateway.report.statuses import air

COMMANDS = sorted(command.name for command in entry_points(group=GROUP))


def shown(capsys, *words: str) -> str:
    with pytest.raises(SystemExit) as left:
        cli.main(list(words))
    assert left.value.code == 0
    return capsys.readouterr().out


def test_help_lists_every_command(capsys):
    text = shown(capsys, "--help")
    expected = "agency air bench console demo device doctor egress ground guard metrics order record recorder recording "
    expected += "setup share source station status"
    assert " ".join(COMMANDS) == expected
    for command in COMMANDS:
        assert re.search(rf"^ +{command}\s+\w", text, re.M), command


def test_the_help_says_of_each_command_what_its_function_says():
    functions = {command.name: command.load() for command in entry_points(group=GROUP)}
    assert {name: (fill.__doc__ or "").strip().splitlines()[0] for name, fill in functions.items()} == cli.SUMMARIES


def loaded(*words: str) -> set[str]:
    """Of the modules that take long to load, and of the commands: those that a `zegel` with these words loads."""
    code = """
import sys
from gateway import cli
try:
    cli.main()
except SystemExit:
    pass
print(*sys.modules, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout, done.stderr
    slow = {"numpy", "cryptography", "rich", "msgspec", "zmq", "pymavlink", "cbor2", "gateway.endpoints", "keys.cose"}
    commands = {command.module for command in entry_points(group=GROUP)}
    return (slow | commands) & {*done.stderr.splitlines()[-1].split()}


def test_the_help_loads_no_command():
    assert loaded("--help") == set()


def test_a_status_loads_what_shows_a_status(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with published(tmp_path / "zegel", encoded(air())):
        needed = {"msgspec", "zmq", "gateway.report.status"}
        assert loaded("status") == loaded("status", "drone-7", "--json") == needed


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
