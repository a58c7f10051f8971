"""CUSTODY.md is a manual: every command in it is run, in its order, as it stands there."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from gateway import cli
from keys.order import parse_order

MANUAL = Path(__file__).parents[3] / "keys/CUSTODY.md"


def test_every_command_works(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```sh\n(.*?)```", MANUAL.read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.strip()]
    assert len(lines) > 10
    for line in lines:
        words = shlex.split(line)
        assert words[0] == "zegel"
        assert cli.main(words[1:]) == 0, f"{line}\n{capsys.readouterr().err}"
        if words[1:4] == ["device", "enrol", "drone8"]:  # where the manual says that the root goes offline
            shutil.copy("agency/root/root.crt", "root.crt")
            shutil.move("agency/root", "safe")
    assert [station.name for station in parse_order(Path("op.order").read_bytes()).stations] == ["pilot", "observer"]


@pytest.mark.parametrize(
    ("stated", "where"),
    [
        ("every ten minutes", "rekey_s: int = 600"),
        ("the certificate lasts 10 years", "DEVICE_LIFETIME_S = 10 * 365"),
        ("the certificate lasts 2 years", "SIGNER_LIFETIME_S = 2 * 365"),
        ("the certificate lasts 20 years", "ROOT_LIFETIME_S = 20 * 365"),
    ],
)
def test_every_number_is_that_of_the_program(stated, where):
    assert stated in MANUAL.read_text()
    assert any(where in path.read_text() for path in MANUAL.parent.glob("*.py"))
